"""How far a fetch is: bytes done and expected over all its files, and how fast it goes."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_WINDOW: Final = 5.0
_QUIET: Final = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """One report. Bytes; `total` is None until every file's size is known; `rate` is bytes per
    second over the last five seconds, counting only bytes that really travelled.
    """

    what: str
    done: int
    total: int | None
    rate: float


OnProgress = Callable[[Progress], None]


def ignore(_progress: Progress) -> None:
    """Take a report and do nothing: for callers who do not watch."""


class Meter:
    """Adds up the files of one fetch and reports at most five times a second.

    `clock` gives monotonic seconds.
    """

    def __init__(
        self, what: str, report: OnProgress = ignore, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._report = report
        self._clock = clock
        self._totals: dict[str, int | None] = {}
        self._done: dict[str, int] = {}
        self._travelled = 0
        self._samples: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._spoke = float("-inf")

    def expect(self, name: str, total: int | None) -> None:
        """Say that file `name` belongs to this fetch, and its size once known."""
        self._totals[name] = total if total is not None else self._totals.get(name)

    def at(self, name: str, done: int, *, travelled: int = 0) -> None:
        """Say that `done` bytes of a file are here, `travelled` of them just now."""
        self._done[name] = done
        self._travelled += travelled
        now = self._clock()
        self._samples.append((now, self._travelled))
        while len(self._samples) > 2 and self._samples[0][0] < now - _WINDOW:
            self._samples.popleft()
        if now - self._spoke >= _QUIET:
            self._speak(now)

    def finish(self) -> None:
        """Report once more, whatever was said last."""
        self._speak(self._clock())

    def _speak(self, now: float) -> None:
        self._spoke = now
        start, before = self._samples[0]
        elapsed = now - start
        rate = (self._travelled - before) / elapsed if elapsed > 0 else 0.0
        sizes = [size for size in self._totals.values() if size is not None]
        total = sum(sizes) if len(sizes) == len(self._totals) else None
        self._report(Progress(self._what, sum(self._done.values()), total, rate))
