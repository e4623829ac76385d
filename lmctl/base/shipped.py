"""Where the data lies that ships with lmctl: in the package, or beside it in a checkout."""

from importlib.resources import files
from pathlib import Path


def shipped_at(name: str) -> Path:
    """Return where a file or folder of `config/` is, or would be in a checkout."""
    package = Path(str(files("lmctl")))
    inside = package / "config" / name
    return inside if inside.exists() else package.parent / "config" / name
