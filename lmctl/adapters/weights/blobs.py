"""Files by content: what is called `<sha256>` has that sha256, or it is in quarantine.

    HOME/blobs/sha256/<2 hex>/<64 hex>   verified files, read-only
    HOME/partial/                        files on their way in, with their locks
    HOME/quarantine/                     files that were not what they should be, and why

A file enters by rename from `partial/` on the same disk after fsync, so a blob is never half
there, whatever is killed when.
"""

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from lmctl.adapters.files import write_atomically
from lmctl.adapters.weights.fetch_errors import NoSpace
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.base.errors import IntegrityError
from lmctl.base.faults import point

# Left free for everything else on the disk: logs, the database, other programs.
_RESERVE: Final = 64 * 1024 * 1024
_LOCK_POLL: Final = 0.1
_PIECE: Final = 1024 * 1024


def free_bytes(folder: Path) -> int:
    """Return the bytes an ordinary user may still write on the disk of `folder`."""
    return shutil.disk_usage(folder).free


class Blobs:
    """The store under one home. `free` and `clock` (seconds since the epoch) can be replaced."""

    def __init__(
        self,
        home: Path,
        *,
        free: Callable[[Path], int] = free_bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.home = home
        self.partials = home / "partial"
        self.quarantined = home / "quarantine"
        self._free = free
        self._clock = clock

    def path(self, sha256: str) -> Path:
        """Return where the blob of this sha256 lies, or would lie."""
        return self.home / "blobs" / "sha256" / sha256[:2] / sha256

    def partial(self, identity: str) -> Path:
        """Return where a file on its way in is written; `identity` survives restarts."""
        return self.partials / f"{identity}.part"

    def require_space(self, needed: int, what: str) -> None:
        """Raise NoSpace, in bytes needed and free, unless `needed` more bytes fit."""
        self.home.mkdir(parents=True, exist_ok=True)
        free = max(self._free(self.home) - _RESERVE, 0)
        if needed > free:
            raise NoSpace(what, needed=needed, free=free, folder=str(self.home))

    def no_space(self, error: OSError, *, needed: int, what: str) -> NoSpace | None:
        """Return what to raise when `error` says that the disk (or quota) is full, else None."""
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            return None
        return NoSpace(what, needed=needed, free=self._free(self.home), folder=str(self.home))

    async def admit(self, part: Path, sha256: str) -> Path:
        """Make a finished partial, whose hash the caller has just computed, a blob.

        A blob already there is hashed: whole, it stays (its inode is in other records); broken,
        it goes to quarantine and the new file takes its place.
        """
        target = self.path(sha256)
        if target.exists() and await self.sound(sha256):
            await settled(part.unlink)
            return target
        await settled(_move_in, part, target)
        return target

    async def sound(self, sha256: str) -> bool:
        """Hash the blob; False, with the blob moved to quarantine, when its bytes are others."""
        path = self.path(sha256)
        if not path.is_file():
            return False
        found = await interruptible(hash_file, path)
        if found == sha256:
            return True
        await settled(self.quarantine, path, f"stored as {sha256}, its bytes are {found}")
        return False

    async def verify(self, sha256: str, name: str) -> None:
        """Hash the blob of a file; raise IntegrityError, with it in quarantine, when it is wrong."""
        if not await self.sound(sha256):
            raise IntegrityError(
                f"{name} is missing from the blobs, or its bytes changed: it should be {sha256}",
                hint="it is fetched again by itself; check the disk if this repeats",
            )

    def quarantine(self, path: Path, reason: str) -> Path:
        """Move a bad file away, with the reason and the time beside it; return where it is now."""
        now = self._clock()
        self.quarantined.mkdir(parents=True, exist_ok=True)
        target = self.quarantined / f"{path.name}.{int(now * 1000)}"
        while target.exists():
            target = target.with_name(target.name + "x")
        path.replace(target)
        note = {"reason": reason, "from": path.name, "time": now, "size": target.stat().st_size}
        write_atomically(target.with_name(target.name + ".json"), json.dumps(note).encode())
        _sync_folder(path.parent)
        return target

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Hold `name` alone among all processes of this home; the kernel frees it if we die."""
        self.partials.mkdir(parents=True, exist_ok=True)
        path = self.partials / f"{name}.lock"
        while (handle := _try_lock(path)) is None:  # noqa: ASYNC110 - another process lets go
            await asyncio.sleep(_LOCK_POLL)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)


def hash_file(check: Callable[[], None], path: Path) -> str:
    """Return the sha256 of a file as 64 hex characters; `check` is called between pieces."""
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            found.update(buffer[:count])
            check()
    return found.hexdigest()


def _move_in(part: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    # Read-only: the models folder links here, and an editor must not change a verified file.
    part.chmod(0o444)
    part.replace(target)
    point("blob.moved")
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _try_lock(path: Path) -> int | None:
    """Return a locked descriptor, or None while another holder lives.

    The holder removes the file before it lets go, so a lock on a file that is no longer at `path`
    locks nothing: such a one is given up and the next try opens the new file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino == path.stat().st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None
