"""How a runner logs: to stderr, one line per thing that happened."""

import logging
import os
import sys
from typing import Any

import structlog


def configure_logs(runner: str) -> None:
    """Log to stderr as key=value, or as JSON with `LMCTL_LOG=json`; `LMCTL_LOG_LEVEL` sets how much."""
    level = logging.getLevelNamesMapping().get(os.environ.get("LMCTL_LOG_LEVEL", "").upper())
    json = os.environ.get("LMCTL_LOG") == "json"
    last: Any = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _with("runner", runner),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level or logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _with(key: str, value: str) -> structlog.typing.Processor:
    def add(
        _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        return {**event, key: value}

    return add
