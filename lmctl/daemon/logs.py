"""One line per thing that happened: for people on a terminal, JSON for machines."""

import os
import sys

import structlog


def configure() -> None:
    """Log to stderr; `LMCTL_LOG=json` or no terminal means JSON lines."""
    machine = os.environ.get("LMCTL_LOG", "") == "json" or not sys.stderr.isatty()
    render = structlog.processors.JSONRenderer() if machine else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
