"""What can go wrong while fetching weights, and of which kind it is.

NotReady    ── NoSpace             the disk has no room (kind: capacity)
LmctlError  ── WeightsUnavailable  no source served; carries one sentence per source
"""

from collections.abc import Sequence
from typing import Final

from lmctl.base.errors import IntegrityError, LmctlError, NotFound, NotReady, Refused
from lmctl.base.quantities import format_size
from lmctl.base.spec import FailureKind

# Reconciler 3.7: capacity is looked at again every ten minutes when nothing else wakes the loop.
_LOOK_AGAIN: Final = 600.0

# What is worth doing next when several sources failed differently: the most hopeful kind wins.
_HOPE: Final = (
    FailureKind.TRANSIENT,
    FailureKind.INTEGRITY,
    FailureKind.CAPACITY,
    FailureKind.CONFIG,
    FailureKind.BUG,
)


class NoSpace(NotReady):
    """The disk has not the bytes a file needs."""

    def __init__(self, what: str, *, needed: int, free: int, folder: str) -> None:
        super().__init__(
            f"no room for {what}: {needed} bytes ({format_size(needed)}) needed, "
            f"{free} bytes ({format_size(free)}) free in {folder}",
            retry_after=_LOOK_AGAIN,
            hint=f"free {format_size(max(needed - free, 1))} there, or move the lmctl home to a larger disk",
        )
        self.needed = needed
        self.free = free


class WeightsUnavailable(LmctlError):
    """No source served. `attempts` has one sentence per source, `errors` what each raised."""

    def __init__(self, model: str, attempts: Sequence[str], errors: Sequence[LmctlError]) -> None:
        hints = tuple(dict.fromkeys(each.hint for each in errors if each.hint))
        super().__init__(
            f"no source of {model} served: {'; '.join(attempts)}", hint="; ".join(hints) or None
        )
        self.attempts = tuple(attempts)
        self.errors = tuple(errors)


def failure_kind(error: LmctlError) -> FailureKind:
    """Return the kind that decides what to do next: retry, refetch, make room, or ask a person."""
    match error:
        case WeightsUnavailable():
            kinds = {failure_kind(each) for each in error.errors}
            return next((kind for kind in _HOPE if kind in kinds), FailureKind.CONFIG)
        case NoSpace():
            return FailureKind.CAPACITY
        case IntegrityError():
            return FailureKind.INTEGRITY
        case NotFound() | Refused():
            return FailureKind.CONFIG
    return FailureKind.TRANSIENT


def retry_after(error: LmctlError) -> float | None:
    """Return the seconds the other side asked us to wait, if it did; the shortest of several."""
    match error:
        case WeightsUnavailable():
            asked = [seconds for each in error.errors if (seconds := retry_after(each)) is not None]
            return min(asked, default=None)
        case NotReady():
            return error.retry_after
    return None
