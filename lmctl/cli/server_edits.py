"""Changes of the Server by command: shown, asked about, and written into the file that declares it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from lmctl.adapters.files import write_atomically
from lmctl.adapters.home import Home
from lmctl.base.errors import Refused
from lmctl.cli.editing import (
    check_edit,
    declared_as,
    replace_content,
    show_changes,
    what_follows,
)
from lmctl.cli.folders import Folders
from lmctl.cli.options import interactive
from lmctl.cli.printer import Printer, as_yaml
from lmctl.manifests.edit_paths import Edit
from lmctl.manifests.edits import edited

_NEW_FILE = "server.yaml"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A field of the Server, by its path below `spec`, and what it should say."""

    path: tuple[str, ...]
    value: Any

    @property
    def edit(self) -> Edit:
        return Edit(self.path, self.value)


def change_server(
    printer: Printer,
    home: Home,
    found: Folders,
    roots: Sequence[Path],
    wanted: Sequence[Wanted],
    *,
    yes: bool,
) -> bool:
    """Write the fields that differ, after showing and asking; returns whether anything was written.

    Raises Refused where nobody can be asked; exits with 1 when a person says no, with 2 when the
    edit is none a manifest may say.
    """
    differing = [each for each in wanted if _said(found, each.path) != each.value]
    if not differing:
        return False
    file, before, after = _edited(printer, found, roots, differing)
    check_edit(printer, found, file, after)
    if not printer.machine:
        show_changes(printer, {file: (before, after)})
    _confirm(printer, file, yes=yes)
    if before:
        replace_content(Path(file), before, after)
    else:
        write_atomically(Path(file), after, mode=0o644)
    printer.note(f"wrote {file}{what_follows(home, roots)}")
    return True


def _said(found: Folders, path: Sequence[str]) -> Any:
    value: Any = found.bundle.server.spec
    for name in path:
        value = getattr(value, name)
    return value


def _edited(
    printer: Printer, found: Folders, roots: Sequence[Path], wanted: Sequence[Wanted]
) -> tuple[str, bytes, bytes]:
    """Return the file that declares the Server, what it holds and what it is to hold."""
    if not any(kind == "Server" for kind, _ in found.bundle.origins):
        text: dict[str, Any] = {}
        for each in wanted:
            *above, last = each.path
            inner = text
            for name in above:
                inner = inner.setdefault(name, {})
            inner[last] = each.value
        return str(roots[0] / _NEW_FILE), b"", as_yaml(text).encode()
    declared = declared_as(printer, found, "server")
    file = declared.place().file
    before = found.files[file]
    return file, before, edited(declared, before, [each.edit for each in wanted])


def _confirm(printer: Printer, file: str, *, yes: bool) -> None:
    if yes:
        return
    if printer.machine or not interactive():
        raise Refused(
            f"this changes what {file} declares, and there is nobody to ask",
            hint="pass --yes to write it",
        )
    if not typer.confirm(f"Write it to {file}?", default=True, err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)
