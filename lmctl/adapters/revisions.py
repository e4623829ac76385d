"""What each generation's files said: `revisions/DIGEST.msgpack`, one file per content.

The digest is the bundle's, so a revision stands for every reading that means the same; its texts
are those of the first.
"""

from collections.abc import Collection
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically

_SUFFIX = ".msgpack"


class Revision(msgspec.Struct, frozen=True):
    """The files (by absolute path) of the folders `roots`, as generation `generation` first read
    them at `at`, in unix seconds.
    """

    digest: str
    generation: int
    at: float
    roots: tuple[str, ...]
    files: dict[str, bytes]


class Revisions:
    """The folder of revisions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, digest: str) -> bool:
        return self._path(digest).exists()

    def keep(self, revision: Revision) -> None:
        """Store a revision, durably, unless its content is there already."""
        if revision.digest not in self:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._path(revision.digest), msgspec.msgpack.encode(revision))

    def read(self, digest: str) -> Revision | None:
        """Return a revision, or None when it is not kept or damaged."""
        content = read_if_there(self._path(digest))
        if content is None:
            return None
        try:
            return msgspec.msgpack.decode(content, type=Revision)
        except msgspec.DecodeError:
            return None

    def digests(self) -> list[str]:
        """Return the digests of all that are kept."""
        found = self._folder.glob(f"*{_SUFFIX}")
        return sorted(each.name.removesuffix(_SUFFIX) for each in found)

    def collect(self, wanted: Collection[str]) -> None:
        """Remove every revision but these."""
        for digest in self.digests():
            if digest not in wanted:
                self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}{_SUFFIX}"
