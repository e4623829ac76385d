"""One file out of a wheel, streamed and proven; nothing of the wheel is imported, built or run."""

import difflib
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from lmctl.base.errors import IntegrityError, NotFound

_CHUNK: Final = 1024 * 1024


def member_size(wheel: Path, name: str) -> int:
    """Return the bytes of file `name` when unpacked, as the wheel's directory declares.

    Raises NotFound naming the nearest files, IntegrityError when this is no wheel.
    """
    with _opened(wheel) as archive:
        return _member(archive, name).file_size


def append_member(
    wheel: Path,
    name: str,
    target: BinaryIO,
    *,
    hasher: "hashlib._Hash",
    wrote: Callable[[int], None],
) -> None:
    """Write the bytes of file `name` to the end of `target` and feed them to `hasher`.

    No path of the wheel is ever used as a path here, and no more bytes are written than its
    directory declares: a crafted wheel can neither escape nor fill the disk unannounced. `wrote`
    is told the bytes of each piece.
    """
    with _opened(wheel) as archive:
        member = _member(archive, name)
        left = member.file_size
        try:
            with archive.open(member) as source:
                while chunk := source.read(min(_CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise IntegrityError(f"{name} in {wheel.name} is larger than declared")
                    hasher.update(chunk)
                    target.write(chunk)
                    wrote(len(chunk))
        except (zipfile.BadZipFile, EOFError) as error:
            raise IntegrityError(f"{name} in {wheel.name} is damaged: {error}") from error
    if left:
        raise IntegrityError(f"{name} in {wheel.name} is {left} bytes shorter than declared")


def _opened(wheel: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except zipfile.BadZipFile as error:
        raise IntegrityError(f"{wheel.name} is not a wheel: {error}") from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    names = [each for each in archive.namelist() if not each.endswith("/")]
    if name in names:
        return archive.getinfo(name)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
    largest = sorted(archive.infolist(), key=lambda each: -each.file_size)[:3]
    shown = dict.fromkeys([*near, *(each.filename for each in largest)])
    raise NotFound(
        f"the wheel has no file {name!r}", hint=f"it has {', '.join(shown)}; correct `file`"
    )
