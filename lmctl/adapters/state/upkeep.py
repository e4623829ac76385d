"""Looking after the state of a box: is it sound, a copy of it, a fresh start."""

import io
import sqlite3
import tarfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from lmctl.adapters.files import write_atomically
from lmctl.adapters.state.database import move_aside
from lmctl.adapters.state.migrations import MIGRATIONS
from lmctl.base.errors import LmctlError, NotFound, Refused


def problems(path: Path) -> list[str]:
    """Return what is wrong with a database; nothing for a sound one."""
    if not path.exists():
        return [f"`{path}` does not exist; the next daemon makes one"]
    try:
        with closing(_reading(path)) as db:
            found = [str(row[0]) for row in db.execute("PRAGMA integrity_check").fetchall()]
            (version,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        return [f"`{path}` is damaged: {error}"]
    wrong = [f"`{path}` is damaged: {each}" for each in found if each != "ok"]
    if version > len(MIGRATIONS):
        wrong.append(f"`{path}` was written by a newer lmctl (version {version})")
    return wrong


def back_up(path: Path, others: Sequence[Path], target: Path) -> int:
    """Write the database, as of one instant, and these files and folders beside it to a tar file.

    A daemon may go on writing meanwhile. Returns the bytes written. Raises NotFound when there is
    no database, Refused when the target exists, LmctlError when it cannot be written.
    """
    if not path.exists():
        raise NotFound(f"there is nothing to back up: `{path}` does not exist")
    if target.exists():
        raise Refused(f"`{target}` exists", hint="name a new file")
    packed = io.BytesIO()
    try:
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            content = _copy(path)
            entry = tarfile.TarInfo(path.name)
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
            for each in others:
                if each.exists():
                    tar.add(each, arcname=each.name)
        write_atomically(target, packed.getvalue())
    except (OSError, sqlite3.DatabaseError) as error:
        raise LmctlError(f"cannot back up to {target}: {error}") from error
    return packed.tell()


def set_aside(path: Path, at: float) -> Path | None:
    """Put a database away, so that a new one is made; returns where it is now."""
    if not path.exists():
        return None
    why = f"replaced-{at:.0f}"
    move_aside(path, why)
    return path.with_name(f"{path.name}.{why}")


def _copy(path: Path) -> bytes:
    with closing(_reading(path)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        return copy.serialize()


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
