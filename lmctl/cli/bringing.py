"""Models of the catalogue, written into a fleet and locked."""

from collections.abc import Sequence
from pathlib import Path

import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.base.errors import Conflict, NotFound
from lmctl.cli.editing import add_manifest
from lmctl.cli.folders import read_or_exit
from lmctl.cli.lock_view import LockView, State
from lmctl.cli.locking import lock_folders
from lmctl.cli.printer import Printer
from lmctl.planning.catalogue import CatalogueModel


def fleet_of(home: Home, given: Path | None) -> Path:
    """Return the folder to write to: the one given, or the first that the box follows.

    Raises NotFound where there is neither.
    """
    if given is not None:
        if not given.is_dir():
            raise NotFound(f"there is no folder {given}", hint=f"`lmctl init {given}` writes one")
        return given.expanduser().absolute()
    followed = Followed(home.root / "roots.json").roots()
    if not followed:
        raise NotFound("no fleet to write to: this box follows none", hint="name one with --into")
    return Path(followed[0])


def bring(printer: Printer, home: Home, model: CatalogueModel, root: Path) -> Path:
    """Write a model's manifest into a fleet and return its file; one that declares it stays.

    Raises Conflict when another file is where it would go; exits with 2 for a broken fleet.
    """
    found = read_or_exit(printer, [root])
    if model.key in found.bundle.models:
        file = found.bundle.place("Model", model.key).file
        printer.note(f"{model.key} is declared in {file}; it stays as it is")
        return Path(file)
    path = root / "models" / model.name / "model.yaml"
    if path.exists():
        raise Conflict(f"there is another model in {path}", hint="move it away")
    add_manifest(printer, home, found, [root], path, model.manifest.encode())
    return path


def lock_or_tell(printer: Printer, root: Path, models: Sequence[str]) -> LockView:
    """Lock a fleet; where one of the models could not be, say why and what to do."""
    view = lock_folders(printer, [str(root)])
    for each in view.sources:
        if each.model in models and each.state is State.MISSING:
            printer.problem(f"not locked: {each.model}, {each.source}: {each.reason}")
    if open_yet := still_open(view, models):
        names = ", ".join(open_yet)
        printer.problem(f"hint: `lmctl lock {root}` locks {names} once a source can be reached")
    return view


def still_open(view: LockView, models: Sequence[str]) -> list[str]:
    """Return those of the models of which no source is locked: one is enough to fetch from."""
    out = (State.MISSING, State.DROPPED)
    locked = {each.model for each in view.sources if each.state not in out}
    return [each for each in models if each not in locked]


def exit_unless_locked(view: LockView, models: Sequence[str]) -> None:
    """Exit with 1 when one of the models is not locked at all."""
    if still_open(view, models):
        raise typer.Exit(1)
