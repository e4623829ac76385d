"""gunicorn's own lines in the form of all others (see `lmctl.logs`)."""

from typing import Any

import structlog

from lmctl import logs


def for_gunicorn() -> dict[str, Any]:
    """Return a logging configuration that gives gunicorn's own lines the same form."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": list(logs.SHARED),
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *logs.rendering(),
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
