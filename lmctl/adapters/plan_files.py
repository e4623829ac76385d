"""Written plans: files for their owner only, read back whole or refused."""

from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.base.errors import NotFound, Refused
from lmctl.planning.plan_file import VERSION, PlanFile, encode

_AGAIN = "make it again: `lmctl plan DIR --out FILE`"


class _Version(msgspec.Struct, rename="camel"):
    plan_version: int


def write_plan(path: Path, file: PlanFile) -> None:
    """Write a plan so that only its owner can read it.

    Raises Refused when that is not possible.
    """
    try:
        write_atomically(path, encode(file))
    except OSError as problem:
        raise Refused(f"cannot write `{path}`: {problem.strerror}") from problem


def read_plan(path: Path) -> PlanFile:
    """Return a written plan.

    Raises NotFound, or Refused when it is none, of another version, or was changed.
    """
    try:
        content = read_if_there(path)
    except OSError as problem:
        raise Refused(f"cannot read `{path}`: {problem.strerror}") from problem
    if content is None:
        raise NotFound(f"there is no file `{path}`")
    try:
        version = msgspec.json.decode(content, type=_Version).plan_version
        if version != VERSION:
            raise Refused(
                f"`{path}` is a plan of version {version}, expected {VERSION}", hint=_AGAIN
            )
        file = msgspec.json.decode(content, type=PlanFile)
    except msgspec.DecodeError as problem:
        raise Refused(f"`{path}` is no plan: {problem}", hint=_AGAIN) from problem
    if not file.whole:
        raise Refused(f"`{path}` was changed after it was written", hint=_AGAIN)
    return file
