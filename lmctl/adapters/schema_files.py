"""The generated files: schemas/*.json, and the field tables in docs/manifests/*.md."""

import json
from pathlib import Path
from typing import Final

from lmctl.base.errors import NotFound, Refused
from lmctl.manifests.field_tables import tables
from lmctl.manifests.schema import KINDS, render_all, schema
from lmctl.manifests.schema_compatibility import breaks

ROOT: Final = Path(__file__).resolve().parents[2]
MARK: Final = "<!-- Everything below is generated from lmctl/manifests by `make schemas`. -->\n"


def expected(root: Path = ROOT) -> dict[Path, str]:
    """Return what every generated file should hold.

    A docs page keeps what people wrote above its mark; raises NotFound for a page without one.
    """
    wanted = {root / "schemas" / name: text for name, text in render_all().items()}
    for name, table in tables().items():
        page = root / "docs" / "manifests" / f"{name}.md"
        written, mark, _ = page.read_text().partition(MARK) if page.exists() else ("", "", "")
        if not mark:
            raise NotFound(
                f"{page} has no line that says what is generated", hint=f"add it: {MARK}"
            )
        wanted[page] = f"{written}{mark}\n{table}"
    return wanted


def stale(root: Path = ROOT) -> list[Path]:
    """Return the generated files that are not what they should be."""
    found = expected(root)
    return [path for path, text in found.items() if not path.exists() or path.read_text() != text]


def broken(root: Path = ROOT) -> list[str]:
    """Return, in words, what manifests may say by the schemas on disk and not by those to come."""
    found = []
    for name in KINDS:
        path = root / "schemas" / f"{name}.json"
        if path.exists():
            found += [
                f"{name}: {each}" for each in breaks(json.loads(path.read_bytes()), schema(name))
            ]
    return found


def write(root: Path = ROOT) -> None:
    """Write every generated file.

    Raises Refused when that would take away what people already write in their manifests.
    """
    if lost := broken(root):
        raise Refused(
            f"this breaks manifests that are valid today: {'; '.join(lost)}",
            hint="keep what was there; if it never left this machine: git checkout schemas",
        )
    for path, text in expected(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
