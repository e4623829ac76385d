"""Which folders this box follows: a file of its own, so that losing the database loses no wish."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically


class Followed:
    """The followed folders, kept in `roots.json`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def roots(self) -> tuple[str, ...]:
        """Return the folders as absolute paths; none before the first apply."""
        content = read_if_there(self._path)
        if content is None:
            return ()
        try:
            return msgspec.json.decode(content, type=tuple[str, ...])
        except msgspec.DecodeError:
            return ()

    def follow(self, roots: Sequence[str]) -> None:
        """Follow these folders from now on."""
        write_atomically(self._path, msgspec.json.encode(list(roots)))
