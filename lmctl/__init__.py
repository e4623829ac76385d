"""lmctl: GitOps for local LLM inference."""

import gc
import sys
from typing import Final

__version__ = "0.1.0"

_RICH: Final = "rich"


def _import_structlog_alone() -> None:
    """Import structlog without rich, which it would load for tracebacks that lmctl does not show:
    0.1 s of every runner's and worker's start.
    """
    if {_RICH, "structlog"} & sys.modules.keys():
        return
    sys.modules[_RICH] = None  # type: ignore[assignment]  # how an import is told that there is none
    try:
        import structlog  # noqa: F401 - here, while that is so
    finally:
        del sys.modules[_RICH]


# Python looks for garbage after every 700 new objects: an eighth of each process's start, which makes
# hundreds of thousands that stay, and pauses ever after.
gc.set_threshold(50_000, 20, 20)
_import_structlog_alone()
