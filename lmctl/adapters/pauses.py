"""The hold and the suspensions of a box: files of their own, so that losing the database loses no
wish.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.planning.pauses import Hold, Limit, Suspension

_T = TypeVar("_T")


class Pauses:
    """`hold.json`, `only.json` and `suspended.json`. A damaged file holds nothing."""

    def __init__(self, root: Path) -> None:
        self._hold = root / "hold.json"
        self._only = root / "only.json"
        self._suspended = root / "suspended.json"

    def hold(self) -> Hold | None:
        return _read(self._hold, Hold)

    def put_hold(self, hold: Hold) -> None:
        write_atomically(self._hold, msgspec.json.encode(hold))

    def release(self) -> Hold | None:
        """End the hold; returns the one there was."""
        before = self.hold()
        self._hold.unlink(missing_ok=True)
        return before

    def limit(self) -> Limit | None:
        return _read(self._only, Limit)

    def put_limit(self, limit: Limit | None) -> None:
        """Limit the work to some objects; None ends that."""
        if limit is None:
            self._only.unlink(missing_ok=True)
        else:
            write_atomically(self._only, msgspec.json.encode(limit))

    def suspensions(self) -> tuple[Suspension, ...]:
        """Return them in order of subject, those that are over included."""
        return _read(self._suspended, tuple[Suspension, ...]) or ()

    def suspend(self, new: Suspension) -> None:
        """Suspend a subject; an earlier suspension of it is forgotten."""
        self._write([*(e for e in self.suspensions() if e.subject != new.subject), new])

    def resume(self, subject: str | None = None) -> tuple[Suspension, ...]:
        """End the suspension of a subject, or all of them; returns those that were."""
        before = self.suspensions()
        ended = tuple(each for each in before if subject in (None, each.subject))
        if ended:
            self._write([each for each in before if each not in ended])
        return ended

    def take_over(self, now: float) -> tuple[Suspension, ...]:
        """Remove and return the suspensions that are over."""
        before = self.suspensions()
        over = tuple(each for each in before if each.until is not None and each.until <= now)
        if over:
            self._write([each for each in before if each not in over])
        return over

    def _write(self, suspensions: Sequence[Suspension]) -> None:
        if not suspensions:
            self._suspended.unlink(missing_ok=True)
            return
        ordered = sorted(suspensions, key=lambda each: each.subject)
        write_atomically(self._suspended, msgspec.json.encode(ordered))


def _read(path: Path, kind: type[_T]) -> _T | None:
    content = read_if_there(path)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError:
        return None
