"""How the gateway logs: one line per thing that happened, on stderr.

`LMCTL_LOG=json` makes every line, gunicorn's own too, a JSON object; otherwise they are
`key=value` lines for people, coloured only on a terminal.
"""

import logging
import os
import sys
from typing import Any

import structlog

_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure() -> None:
    """Make structlog write to stderr in the form the environment asks for."""
    structlog.configure(
        processors=[*_SHARED, *_rendering()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def for_gunicorn() -> dict[str, Any]:
    """Return a logging configuration that gives gunicorn's own lines the same form."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": list(_SHARED),
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_rendering(),
        ],
    }
    handler = {"class": "logging.StreamHandler", "formatter": "lmctl", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lmctl": formatter},
        "handlers": {"stderr": handler},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        },
    }


def _rendering() -> list[Any]:
    if os.environ.get("LMCTL_LOG") == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    # The default shows local variables, and prompts are among them.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]
