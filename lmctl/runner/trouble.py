"""Errors as the wire says them."""

from lmctl.base.errors import BadRequest, Busy, Draining, LmctlError, NotReady
from lmctl.runner.wire import Trouble, TroubleKind


def trouble(error: LmctlError) -> Trouble:
    """Return the error as an answer; what has no word of its own is the engine's failure."""
    retry_after = error.retry_after if isinstance(error, NotReady) else 1.0
    param, code = (error.param, error.code) if isinstance(error, BadRequest) else (None, None)
    return Trouble(
        _kind(error), str(error), retry_after=retry_after, param=param, code=code, hint=error.hint
    )


def _kind(error: LmctlError) -> TroubleKind:
    match error:
        case Draining():
            return "draining"
        case Busy():
            return "busy"
        case NotReady():
            return "not_ready"
        case BadRequest():
            return "bad_request"
        case _:
            return "engine_failed"
