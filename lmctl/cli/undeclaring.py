"""What files keep loaded and somebody wants unloaded: offered to be declared so."""

from pathlib import Path

import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.cli.editing import (
    check_edit,
    declared_as,
    replace_content,
    show_changes,
    what_follows,
)
from lmctl.cli.folders import Folders, read_or_exit
from lmctl.cli.options import interactive
from lmctl.cli.printer import Printer
from lmctl.manifests.edit_paths import Edit
from lmctl.manifests.edits import edited

_BY_REQUEST = Edit(("residency", "mode"), "jit")


def offer_to_rest(printer: Printer, home: Home, name: str) -> bool:
    """Offer a person to declare an instance as loaded by requests only, which unloads it until one
    comes; returns whether that was written. `name` is its own or the id clients use.
    """
    if printer.machine or not interactive():
        return False
    roots = [Path(each) for each in Followed(home.root / "roots.json").roots()]
    found = read_or_exit(printer, roots)
    instance = _named(found, name)
    if instance is None:
        return False
    declared = declared_as(printer, found, f"instance/{instance}")
    file = declared.place().file
    before = found.files[file]
    after = edited(declared, before, [_BY_REQUEST])
    check_edit(printer, found, file, after)
    printer.problem(
        f"instance/{instance} is declared; this would have requests load it, and nothing else:"
    )
    show_changes(printer, {file: (before, after)})
    if before == after or not typer.confirm(f"Write it to {file}?", default=False, err=True):
        return False
    replace_content(Path(file), before, after)
    printer.note(f"wrote {file}{what_follows(home, roots)}")
    return True


def _named(found: Folders, name: str) -> str | None:
    for each, instance in found.bundle.instances.items():
        if name in (each, f"instance/{each}", instance.identifier):
            return each
    return None
