"""Whose cores they are: the engines at work in one home share them, an idle one takes none.

Threads of an engine spin while they wait for each other, so two engines with a thread per core
each are slower than with half of them. A runner at work holds a lock on one byte of a
file all runners of the home know; how many bytes are locked is how many share. The system frees
the lock of a process that is gone, so nothing has to be cleaned up and nobody has to be alive.
"""

import fcntl
import os
import struct
import sys
from pathlib import Path
from typing import Final

import psutil

from lmctl.runner import cgroups

PLACES: Final = 64
"""Engines that can be at work together; one more counts itself as the last of them."""
_DARWIN: Final = sys.platform == "darwin"
_FORMAT: Final = "@qqihh" if _DARWIN else "@hhqqi"  # `struct flock`: its order differs


class Cores:
    """One engine's part of the cores. Used by the engine's thread only.

    `folder` is where all runners of a home meet, None for an engine that is alone; `most` are the
    threads the engine may use at most, None for as many as there are cores.
    """

    def __init__(self, folder: Path | None, most: int | None, *, cores: int | None = None) -> None:
        self._cores = available_cores() if cores is None else cores
        self._most = most or self._cores
        self._file = None if folder is None else _opened(folder / "cores.lock")
        self._place: int | None = None

    def share(self) -> int:
        """Take part, and return how many threads to use now: two system calls while alone."""
        if self._file is None:
            return self._most
        if self._place is None:
            self._place = _claim(self._file)
        others = _others(self._file)
        before = sum(place < self._place for place in others)
        even, left = divmod(self._cores, len(others) + 1)
        return max(1, min(self._most, even + (before < left)))

    def leave(self) -> None:
        """Leave the cores to others: there is nothing to compute."""
        if self._file is not None and self._place is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place)
            self._place = None

    def close(self) -> None:
        """Leave for good."""
        self.leave()
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Guest:
    """A second engine of the same process, at work only while the first one waits for it: it uses
    the first one's cores, and who else shares them is none of its business.
    """

    def __init__(self, host: "Cores | Guest") -> None:
        self._host = host

    def share(self) -> int:
        """Return how many threads to use now."""
        return self._host.share()

    def leave(self) -> None:
        """Have nothing to compute: the first one goes on."""

    def close(self) -> None:
        """Leave for good."""


def available_cores(root: Path = Path("/")) -> int:
    """Return the physical cores this process may use: a second thread on a core gains nothing.

    Its affinity and the quotas of its control groups count.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    physical = psutil.cpu_count(logical=False) or 1
    quota = cgroups.processors(root)
    return max(1, min(allowed or 1, physical, physical if quota is None else int(quota)))


def _opened(path: Path) -> int | None:
    """Return the file opened, None where it cannot be: then everybody counts as alone."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def _claim(file: int) -> int:
    for place in range(PLACES):
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            continue  # somebody else's
        return place
    return PLACES


def _others(file: int) -> list[int]:
    """Return the places other processes hold, in ascending order."""
    found = []
    place = 0
    while place < PLACES:
        held = _first_held(file, place)
        if held is None:
            break
        found.append(held)
        place = held + 1
    return found


def _first_held(file: int, begin: int) -> int | None:
    """Return the first place from `begin` on that another process holds."""
    length = PLACES - begin
    answer = fcntl.fcntl(file, fcntl.F_GETLK, _asking(begin, length))
    fields = struct.unpack(_FORMAT, answer[: struct.calcsize(_FORMAT)])
    kind, start = (fields[3], fields[0]) if _DARWIN else (fields[0], fields[2])
    return None if kind == fcntl.F_UNLCK else max(begin, start)


def _asking(start: int, length: int) -> bytes:
    if _DARWIN:
        return struct.pack(_FORMAT, start, length, 0, fcntl.F_WRLCK, os.SEEK_SET)
    return struct.pack(_FORMAT + "4x", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
