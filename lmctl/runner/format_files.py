"""The tool and reasoning formats that ship with lmctl: in the package, or beside it in a checkout."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from lmctl.chat.formats import Formats, decode


@cache
def shipped() -> Formats:
    """Return the formats of `config/formats`. Raises ValueError naming a file that is wrong."""
    folder = Path(str(files("lmctl"))) / "config" / "formats"
    if not folder.is_dir():
        folder = Path(str(files("lmctl"))).parent / "config" / "formats"
    paths = sorted(folder.rglob("*.toml"))
    return decode({path.relative_to(folder).as_posix(): path.read_text() for path in paths})
