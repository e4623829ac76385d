"""Every stored byte read again, slowly: what changed on the disk without its time or size.

A look believes a blob that stat shows untouched. A flipped bit leaves no trace there, so each blob
is hashed once a period, by one thread that yields to everything else and keeps to a rate.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lmctl.adapters.weights.blobs import Blobs, hash_pieces
from lmctl.adapters.weights.threads import interruptible_on

# Hashed when this much of the period is over: the rest is for a machine that is off, and for a
# disk that takes long (at 64 MiB/s a quarter of a week is 9 TiB).
SHARE: Final = 0.75
_SLICE: Final = 0.1
_NICE: Final = 19


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A blob and when it should be hashed again, in seconds since the epoch."""

    at: float
    sha256: str


class Scrubber:
    """Scrubs one home. `rate` says how many bytes a second may be read now."""

    def __init__(
        self, home: Path, *, clock: Callable[[], float], rate: Callable[[], float]
    ) -> None:
        self._blobs = Blobs(home, clock=clock)
        self._rate = rate
        self._thread = ThreadPoolExecutor(1, "scrub", initializer=_yield_to_others)

    def due(self, period: float) -> list[Due]:
        """Return every blob, the one that is due first at the front; `period` is in seconds."""
        verified = self._blobs.notes.read().verified
        names = [path.name for path in self._blobs.all()]
        return sorted(Due(verified.get(name, 0.0) + period * SHARE, name) for name in names)

    async def scrub(self, sha256: str) -> bool:
        """Hash one blob; False when it was damaged: it is in quarantine now.

        One that is gone by now is nobody's damage.
        """
        before = self._blobs.notes.read().damaged.get(sha256)
        if await self._blobs.sound(sha256, hashing=self._gently):
            return True
        return self._blobs.notes.read().damaged.get(sha256) == before

    def close(self) -> None:
        """Let the thread go; a scrub under way must have been cancelled."""
        self._thread.shutdown(wait=False)

    async def _gently(self, path: Path) -> str:
        return await interruptible_on(self._thread, _hash_gently, path, self._rate)


def _hash_gently(check: Callable[[], None], path: Path, rate: Callable[[], float]) -> str:
    began = time.monotonic()

    def pace(count: int) -> None:
        nonlocal began
        began += count / max(rate(), 1.0)
        while (ahead := began - time.monotonic()) > 0:
            check()
            time.sleep(min(ahead, _SLICE))
        began = max(began, time.monotonic() - 1.0)  # time lost is not made up for in a burst
        check()

    return hash_pieces(path, pace, keep_cache=False)


def _yield_to_others() -> None:
    """Run this thread only when no other wants the processor: Linux keeps niceness by thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
