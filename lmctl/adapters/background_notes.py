"""What is known of answers that are written in the background: a file each, for all workers to see.

The worker that writes an answer touches its file while it does, so that another can tell an answer
that is under way from one whose worker is gone.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from lmctl.adapters.files import read_if_there, write_atomically

BACKGROUND_FOLDER: Final = "background"
_SILENT_AFTER: Final = 30.0  # seconds without a touch


class BackgroundNotes:
    """The files of one folder, made when first needed. Ids are those of turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, turn_id: str, response: bytes, *, keep: float) -> None:
        """Note how an answer is now; notes nobody touched for `keep` seconds are forgotten."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        old = time.time() - keep
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                if path.stat().st_mtime < old:
                    path.unlink()
        write_atomically(self._path(turn_id), response)

    def read(self, turn_id: str) -> tuple[bytes, bool] | None:
        """Return what is noted and whether its worker gave a sign of life lately, None for nothing."""
        path = self._path(turn_id)
        content = read_if_there(path)
        if content is None:
            return None
        try:
            return content, time.time() - path.stat().st_mtime < _SILENT_AFTER
        except FileNotFoundError:
            return None

    def touch(self, turn_id: str, expected: bytes) -> bool:
        """Give a sign of life; False when the note is not what was expected any more."""
        path = self._path(turn_id)
        if read_if_there(path) != expected:
            return False
        os.utime(path)
        return True

    def remove(self, turn_id: str) -> None:
        self._path(turn_id).unlink(missing_ok=True)

    def _path(self, turn_id: str) -> Path:
        # An id comes from a client: nothing but its hexadecimal digits may become a path.
        name = turn_id.removeprefix("resp_")
        return self._folder / (name if name.isalnum() and name.isascii() else "none")
