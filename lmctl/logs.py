"""How every process of lmctl logs: to stderr, one line per thing that happened.

`LMCTL_LOG=json` makes each line a JSON object for machines; otherwise it is for people, coloured
only on a terminal. `LMCTL_LOG_LEVEL` (default INFO) says how much. Wired once per process, by the
daemon, the gateway and the runner; it belongs to no floor.
"""

import logging
import os
import sys
from typing import Any, Final

import structlog

SHARED: Final[tuple[Any, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


_ALWAYS: Final[dict[str, str]] = {}


def configure(**always: str) -> None:
    """Make structlog write so; `always` are fields every line of this process carries."""
    say_always(**always)
    wanted = os.environ.get("LMCTL_LOG_LEVEL", "INFO").upper()
    level = logging.getLevelNamesMapping().get(wanted, logging.INFO)
    structlog.configure(
        processors=[*SHARED, _add_always, *rendering()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def rendering() -> list[Any]:
    """Return the processors that make text of an event, in the form the environment asks for."""
    if os.environ.get("LMCTL_LOG") == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    # The default shows local variables, and prompts are among them.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]


def say_always(**fields: str) -> None:
    """Let every line from now on carry these fields, too."""
    _ALWAYS.update(fields)


def _add_always(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {**event, **_ALWAYS}
