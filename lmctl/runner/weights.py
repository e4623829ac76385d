"""Proof that the bytes about to be loaded are the bytes that were declared."""

import hashlib
import os
from collections.abc import Sequence

from lmctl.base.digests import short
from lmctl.base.spec import FailureKind, WeightFile
from lmctl.runner.port import LoadFailed


def verify(files: Sequence[WeightFile]) -> tuple[str, ...]:
    """Return the sha256 of every file as it lies on disk, in order.

    A file that stat shows untouched since it was last hashed is believed; any other is hashed
    again. Raises LoadFailed: INTEGRITY when the bytes are others, CONFIG when there is no file.
    """
    return tuple(_verify(each) for each in files)


def _verify(declared: WeightFile) -> str:
    try:
        with open(declared.path, "rb") as file:  # noqa: PTH123 - fstat and hash must see one file
            seen = os.fstat(file.fileno())
            if (seen.st_size, seen.st_mtime_ns, seen.st_ino) == _recorded(declared):
                return declared.sha256
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LoadFailed(
            f"the weights {declared.name} cannot be read: {error.strerror} ({declared.path})",
            kind=FailureKind.CONFIG,
        ) from error
    if found != declared.sha256:
        raise LoadFailed(
            f"the weights {declared.name} are not the declared ones: sha256 is {short(found)}…,"
            f" expected {short(declared.sha256)}… ({declared.path})",
            kind=FailureKind.INTEGRITY,
            hint="remove the file to have it downloaded again",
        )
    return found


def _recorded(declared: WeightFile) -> tuple[int, int, int]:
    return (declared.size, declared.mtime_ns, declared.inode)
