"""Keeps the logs of long-lived processes small, whoever writes them.

Engines write to the same file from C, so nobody can be asked to open another one. Every writer
appends (`O_APPEND`), so cutting the file to nothing is safe: the next line starts at its beginning.
What is written between the copy and the cut is lost, a line or two.
"""

import os
import shutil
from pathlib import Path
from typing import Final

LIMIT: Final = 16 * 1024 * 1024
"""Bytes a log may have; the file before it, `NAME.1`, has about as many."""


def bound(folder: Path, *, limit: int = LIMIT) -> list[Path]:
    """Move what is in each log larger than `limit` bytes to `NAME.1`; returns the logs cut.

    A log that cannot be moved, e.g. on a full disk, stays as it is.
    """
    cut = []
    for path in sorted(folder.glob("*.log")):
        try:
            if path.stat().st_size > limit:
                _cut(path)
                cut.append(path)
        except OSError:
            continue
    return cut


def _cut(path: Path) -> None:
    before = path.with_name(f"{path.name}.1")
    staged = path.with_name(f"{path.name}.1.new")
    shutil.copyfile(path, staged)
    staged.replace(before)
    os.truncate(path, 0)
