"""Weights from a file of this machine, copied into the blob store.

Copied, not hard-linked: a hard link shares its bytes with the original, so an editor or a second
download that writes to the original would change a verified blob. On a file system that can
(btrfs, XFS, bcachefs, ZFS) the kernel makes the copy share its blocks until one side changes
(reflink, through `copy_file_range`), which costs neither time nor room.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lmctl.adapters.weights.blobs import Blobs, hash_file
from lmctl.adapters.weights.download import FetchedFile
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.base.digests import digest
from lmctl.base.errors import IntegrityError, NotFound, Refused
from lmctl.planning.gguf_names import (
    is_gguf,
    is_projector,
    is_split,
    projector,
    split_set,
    split_stem,
)
from lmctl.planning.mlx_names import is_mlx, mlx_folder
from lmctl.planning.weights_values import FileSource, Pinned

_STEP: Final = 16 * 1024 * 1024
_CANNOT_SHARE: Final = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


async def fetch(
    source: FileSource, blobs: Blobs, meter: Meter, *, pinned: Pinned | None = None
) -> tuple[FetchedFile, ...]:
    """Copy the file, the rest of its split set and its projector into the blob store.

    A projector (`mmproj*.gguf`) comes along when the file is the only model of its folder, and what
    belongs to it in an MLX folder, which may be named itself. `pinned` files are copied by name and
    no others. What is a blob already needs no original.

    Raises NotFound (no such file), Refused (not a readable file), NoSpace, and IntegrityError
    when its sha256 is not the pinned one.
    """
    first = await settled(_main_file, Path(source.path))
    alone = source.sha256 and not is_mlx(first.name)
    if source.sha256 and alone and not pinned and await blobs.sound(source.sha256):
        return (FetchedFile(first.name, source.sha256),)
    pins: dict[Path, str | None]
    if pinned:
        pins = {first.with_name(each.name): each.sha256 for each in pinned.files}
    else:
        paths = await companions(source)
        pins = {paths[0]: source.sha256, **dict.fromkeys(paths[1:])}
    here = {path for path, sha256 in pins.items() if sha256 and await blobs.sound(sha256)}
    sizes = {path: await settled(size_of, path) for path in pins if path not in here}
    for path, size in sizes.items():
        meter.expect(path.name, size)
    blobs.require_space(sum(sizes.values()), first.name)
    return tuple(
        [
            FetchedFile(path.name, sha256 or "")
            if path in here
            else await _one(path, sha256, blobs=blobs, meter=meter)
            for path, sha256 in pins.items()
        ]
    )


async def companions(source: FileSource) -> list[Path]:
    """Return the file and what belongs to it, main file first.

    Raises Refused for a set of files that one sha256 should pin.
    """
    first = await settled(_main_file, Path(source.path))
    paths = await settled(_with_companions, first)
    if source.sha256 and (is_split(first.name) or is_mlx(first.name)):
        raise Refused(
            f"{source} is one of {len(paths)} files and one sha256 cannot pin them all",
            hint="leave out `sha256`: lmctl.lock pins all of them",
        )
    return paths


def wrong(path: Path, found: str, pinned: str) -> IntegrityError:
    """Return what to raise for a file that is not the pinned one."""
    return IntegrityError(
        f"{path} has sha256 {found}, pinned is {pinned}",
        hint="pin the new sha256 if the file was meant to change",
    )


async def _one(path: Path, pinned: str | None, *, blobs: Blobs, meter: Meter) -> FetchedFile:
    identity = f"copy-{digest(str(path))}"
    loop = asyncio.get_running_loop()

    def report(done: int) -> None:
        loop.call_soon_threadsafe(meter.at, path.name, done)

    async with blobs.lock(identity):
        part = blobs.partial(identity)
        try:
            sha256 = await interruptible(_copy, path, part, report)
        except OSError as error:
            full = blobs.no_space(error, needed=await settled(size_of, path), what=path.name)
            if full is None:
                raise Refused(f"cannot read {path}: {error.strerror}") from error
            raise full from error
        if pinned and sha256 != pinned:
            await settled(part.unlink)  # only a copy: the original is where it was
            raise wrong(path, sha256, pinned)
        await blobs.admit(part, sha256)
    return FetchedFile(path.name, sha256)


def _main_file(path: Path) -> Path:
    """Return the file itself, or of an MLX folder the first weights in it."""
    names = mlx_folder(each.name for each in path.iterdir()) if path.is_dir() else ()
    return path / names[0] if names else path


def _with_companions(first: Path) -> list[Path]:
    """Return the file and what belongs to it, main file first."""
    if is_mlx(first.name) and first.parent.is_dir():
        folder = mlx_folder([each.name for each in first.parent.iterdir()], [first.name])
        return [first.with_name(name) for name in folder] or [first]
    paths = [first.with_name(name) for name in split_set(first.name)]
    if first.parent.is_dir() and is_gguf(first.name):
        names = [each.name for each in first.parent.iterdir()]
        if len({split_stem(n) for n in names if is_gguf(n) and not is_projector(n)}) == 1:
            paths += [first.with_name(name) for name in projector(names, first.name)]
    return paths


def size_of(path: Path) -> int:
    """Return the bytes of a file. Raises NotFound, or Refused when it is no file."""
    try:
        found = path.stat()
    except OSError as error:
        raise NotFound(
            f"cannot use {path}: {(error.strerror or 'no such file').lower()}",
            hint="correct `path`; the daemon's user must be able to read it",
        ) from error
    if not path.is_file():
        raise Refused(f"{path} is not a file")
    return found.st_size


def _copy(check: Callable[[], None], path: Path, part: Path, report: Callable[[int], None]) -> str:
    """Copy by the kernel and return the sha256 of the copy: what is stored is what was hashed."""
    try:
        with path.open("rb") as source, part.open("wb") as target:
            done = 0
            while count := _piece(source.fileno(), target.fileno()):
                done += count
                report(done)
                check()
        return hash_file(check, part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _piece(source: int, target: int) -> int:
    """Copy one piece, return its bytes. Across file systems, and off Linux, through memory."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, _STEP)
        except OSError as error:
            if error.errno not in _CANNOT_SHARE:
                raise
    piece = rest = memoryview(os.read(source, _STEP))
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(piece)
