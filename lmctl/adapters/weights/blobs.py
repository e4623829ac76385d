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
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from lmctl.adapters.files import write_atomically
from lmctl.adapters.weights.fetch_errors import NoSpace
from lmctl.adapters.weights.notes import BlobNotes
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.base.errors import IntegrityError
from lmctl.base.faults import point

# Left free for everything else on the disk: logs, the database, other programs.
_RESERVE: Final = 64 * 1024 * 1024
_LOCK_POLL: Final = 0.1
_PIECE: Final = 1024 * 1024
_SHA256: Final = 64  # characters

Hashing = Callable[[Path], Awaitable[str]]


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
        self.notes = BlobNotes(home)
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
        await settled(self._note_verified, sha256)
        return target

    def all(self) -> list[Path]:
        """Return every blob there is, by sha256."""
        folder = self.home / "blobs" / "sha256"
        return sorted(path for path in folder.glob("??/*") if len(path.name) == _SHA256)

    async def sound(self, sha256: str, *, hashing: Hashing | None = None) -> bool:
        """Hash the blob; False, with the blob in quarantine, when its bytes are others.

        A blob that the disk cannot read back is wrong too. `hashing` may take its time over it.
        """
        path = self.path(sha256)
        while (inode := _inode(path)) is not None:
            try:
                found = await (hashing or _at_once)(path)
            except FileNotFoundError:
                return False
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                found = "not to be read"
            if found == sha256:
                await settled(self._note_verified, sha256)
                return True
            if _inode(path) == inode:  # else another file is there by now, and nobody judged it
                await settled(self._condemn, path, f"stored as {sha256}, its bytes are {found}")
                return False
        return False

    def _note_verified(self, sha256: str) -> None:
        now = self._clock()
        self.notes.change(lambda notes: replace(notes, verified={**notes.verified, sha256: now}))

    def _condemn(self, path: Path, reason: str) -> None:
        now = self._clock()
        damaged = {path.name: now}
        self.notes.change(lambda notes: replace(notes, damaged={**notes.damaged, **damaged}))
        self.quarantine(path, reason)

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

    async def abandon(self, name: str) -> bool:
        """Remove a file (or folder) on its way in that nobody works on; False when somebody does."""
        path = self.partials / name
        lock = self.partials / f"{path.stem}.lock"
        if (handle := _try_lock(lock)) is None:
            return False
        try:
            await settled(_remove, path)
            for beside in (".json", ".ranges"):
                path.with_suffix(beside).unlink(missing_ok=True)
        finally:
            lock.unlink(missing_ok=True)
            os.close(handle)
        return True

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
    return hash_pieces(path, lambda _: check())


def hash_pieces(path: Path, done: Callable[[int], None], *, keep_cache: bool = True) -> str:
    """Return the sha256 of a file; `done` is told the bytes of each piece.

    Without `keep_cache` the file is read from the disk where no process has it mapped, and does
    not push what others need out of the memory.
    """
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as file:
        if not keep_cache:
            _drop_cache(file.fileno())
        while count := file.readinto(buffer):
            found.update(buffer[:count])
            if not keep_cache:
                _drop_cache(file.fileno(), file.tell() - count, count)
            done(count)
    return found.hexdigest()


def _drop_cache(file: int, start: int = 0, length: int = 0) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, start, length, os.POSIX_FADV_DONTNEED)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


async def _at_once(path: Path) -> str:
    return await interruptible(hash_file, path)


def _inode(path: Path) -> int | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino if stat.S_ISREG(found.st_mode) else None


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
