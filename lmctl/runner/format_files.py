"""The tool and reasoning formats that ship with lmctl."""

from functools import cache

from lmctl.base.shipped import shipped_at
from lmctl.chat.formats import Formats, decode


@cache
def shipped() -> Formats:
    """Return the formats of `config/formats`. Raises ValueError naming a file that is wrong."""
    folder = shipped_at("formats")
    paths = sorted(folder.rglob("*.toml"))
    return decode({path.relative_to(folder).as_posix(): path.read_text() for path in paths})
