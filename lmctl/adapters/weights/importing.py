"""Files people have, brought into the models folder: moved, copied or linked, all of a set or none."""

import os
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from lmctl.base.errors import Refused
from lmctl.base.quantities import format_size


class How(StrEnum):
    """How a file comes to lie in the models folder."""

    MOVE = "move"
    COPY = "copy"
    HARD_LINK = "hard link"
    SYMBOLIC_LINK = "symbolic link"


def bring(files: Mapping[Path, Path], how: How) -> None:
    """Bring files, by where they are, to where they are to be; nothing is ever replaced.

    Raises Refused, before anything was done, when a target is there or the disk has no room; also
    when the system says no to one of them: then those before it have been brought.
    """
    check(files)
    for source, target in files.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _bring(source, target, how)
        except OSError as error:
            raise Refused(
                f"cannot {_VERBS[how]} {source} to {target}: {(error.strerror or '').lower()}",
                hint=_HINTS.get(how),
            ) from error


def check(files: Mapping[Path, Path]) -> None:
    """Raise Refused when a source is no file or something is where it would go."""
    for source, target in files.items():
        if not source.is_file():
            raise Refused(f"{source} is not a file")
        if os.path.lexists(target):
            raise Refused(
                f"{target} is there already",
                hint="give another name with --user-repo, or remove it",
            )


_VERBS = {
    How.MOVE: "move",
    How.COPY: "copy",
    How.HARD_LINK: "hard-link",
    How.SYMBOLIC_LINK: "link",
}
_HINTS = {
    How.HARD_LINK: "hard links stay on one disk; --symbolic-link or --copy go further",
}


def _bring(source: Path, target: Path, how: How) -> None:
    match how:
        case How.MOVE if source.is_symlink():  # what it leads to belongs to somebody else
            _copy(source, target)
            source.unlink()
        case How.MOVE if _one_disk(source, target):
            source.rename(target)
        case How.MOVE:
            _copy(source, target)
            source.unlink()
        case How.COPY:
            _copy(source, target)
        case How.HARD_LINK:
            target.hardlink_to(source.resolve())
        case How.SYMBOLIC_LINK:
            target.symlink_to(source.absolute())


def _copy(source: Path, target: Path) -> None:
    """Copy beside the target, then put it in place: half a file is never seen as a model."""
    size, free = source.stat().st_size, shutil.disk_usage(target.parent).free
    if size > free:
        raise Refused(f"{source} has {format_size(size)}, the disk has {format_size(free)} left")
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        shutil.copyfile(source, fresh)
        with fresh.open("rb") as written:
            os.fsync(written.fileno())
        fresh.rename(target)
    finally:
        fresh.unlink(missing_ok=True)


def _one_disk(source: Path, target: Path) -> bool:
    return source.stat().st_dev == target.parent.stat().st_dev
