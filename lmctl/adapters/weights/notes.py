"""What is remembered of blobs beside what they are: when each was last hashed, which were damaged.

    HOME/blobs.json    by sha256, in seconds since the epoch

Daemon and command line both write it, one at a time. Losing it costs an early scrub of everything.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically


class Notes(msgspec.Struct, frozen=True):
    """`verified`: when a blob was last found whole. `damaged`: when one was last found to have
    other bytes; who loaded it before then may hold them in memory. `unused`: since when nothing
    refers to it.
    """

    verified: dict[str, float] = {}
    damaged: dict[str, float] = {}
    unused: dict[str, float] = {}


class BlobNotes:
    """The notes of one home."""

    def __init__(self, home: Path) -> None:
        self._path = home / "blobs.json"

    def read(self) -> Notes:
        content = read_if_there(self._path)
        try:
            return msgspec.json.decode(content, type=Notes) if content else Notes()
        except msgspec.DecodeError:
            return Notes()

    def change(self, change: Callable[[Notes], Notes]) -> None:
        """Replace the notes by what `change` makes of them; nobody else changes them meanwhile."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            before = self.read()
            after = change(before)
            if after != before:
                write_atomically(self._path, msgspec.json.encode(after))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held for one small write; freed if we die
            yield
