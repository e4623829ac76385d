"""The end of a log that is written while we read: whole lines, also across a cut or a new file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MOST: Final = 1024 * 1024
"""Bytes of a log that are looked at for its last lines."""


class Tail:
    """The lines of one log from now on; the last `lines` that are there come first."""

    def __init__(self, path: Path, *, lines: int = 0) -> None:
        self.path = path
        self._inode, self._at = _seen(path)
        *whole, self._begun = _end_of(path, self._at).split(b"\n")
        self._before = tuple(whole[-lines:]) if lines else ()

    def new(self) -> Iterator[str]:
        """Yield the lines that are whole by now; a log that is not there yet has none."""
        yield from map(_text, self._before)
        self._before = ()
        inode, size = _seen(self.path)
        if inode != self._inode or size < self._at:  # another file, or cut to nothing
            self._inode, self._at, self._begun = inode, 0, b""
        if size == self._at:
            return
        with self.path.open("rb") as log:
            log.seek(self._at)
            content = log.read(size - self._at)
        self._at += len(content)
        *whole, self._begun = (self._begun + content).split(b"\n")
        for line in whole:
            yield _text(line)


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _seen(path: Path) -> tuple[int, int]:
    try:
        seen = os.stat(path)  # noqa: PTH116 # asked of every log several times a second
    except FileNotFoundError:
        return 0, 0
    return seen.st_ino, seen.st_size


def _end_of(path: Path, size: int) -> bytes:
    """Return what stands at the end of a log that has so many bytes."""
    try:
        with path.open("rb") as log:
            begin = log.seek(max(0, size - _MOST))
            return log.read(size - begin)
    except FileNotFoundError:
        return b""
