"""`get`: objects of the box as kubectl lists them, and models as `lms get` brings them.

A word that is a kind of object, or begins with one and a slash, means objects; anything else is a
model: of the catalogue, of a hub by `owner/repo` or link.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.base.errors import NotFound
from lmctl.base.quantities import format_size
from lmctl.cli.completing import kinds_and_keys
from lmctl.cli.looking import tell_objects
from lmctl.cli.options import Host, OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import table
from lmctl.cli.selecting import is_kind
from lmctl.planning.catalogue import CatalogueModel, find, near


def get(  # one parameter per option
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND[/NAME] | MODEL]",
            help="Objects: instances, models, runtimes, routes, server, mcp or KIND/NAME. A model to"
            " bring: a name of the catalogue, OWNER/REPO[@QUANT] of a hub, or a link.",
            autocompletion=kinds_and_keys,
        ),
    ] = None,
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="List the models that can be had by their name.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="The fleet; default: what the box follows."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Of a hub: what suits this machine; ask nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, bring nothing.")
    ] = False,
    host: Host = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """List objects with their facts, or one with its conditions; or bring a model.

    `models` also shows files you put into the models folder. A model of the catalogue is written
    into the fleet and locked; one of a hub is downloaded beside what files declare.

    Exit code 0; 1: the model is not locked yet, or its download failed; 2: there is no such thing.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    if catalogue:
        _list(printer)
    elif host is not None:
        _elsewhere(printer, home, host, what)
    elif what is None or is_kind(what):
        tell_objects(printer, home, what)
    else:
        asking = _Asking(into, yes=yes, dry_run=dry_run)
        _bring(printer, home, what, asking)


def _elsewhere(printer: Printer, home: Home, host: str, what: str | None) -> None:
    if what is None or is_kind(what):
        raise typer.BadParameter("with --host name a model: another box shows no objects")
    from lmctl.cli.getting_elsewhere import get_elsewhere

    get_elsewhere(printer, home, host, what)


def _list(printer: Printer) -> None:
    from lmctl.adapters.catalogue import shipped

    models = sorted(shipped(), key=lambda each: (each.about.facts.embeds, each.about.size))
    rows = [("NAME", "DOWNLOAD", "MODEL", "")]
    rows += [
        (each.name, f"about {format_size(_size(each))}", each.key, each.about.summary)
        for each in models
    ]
    told = [
        {
            "name": each.name,
            "model": each.key,
            "type": "embedding" if each.about.facts.embeds else "llm",
            "title": each.about.title,
            "summary": each.about.summary,
            "sizeBytes": _size(each),
        }
        for each in models
    ]
    printer.data(told, "\n".join(table(rows)))


def _size(model: CatalogueModel) -> int:
    return model.about.size + model.about.facts.projector


@dataclass(frozen=True, slots=True)
class _Asking:
    """How a model is to be brought: into which fleet, without a question, or only told of."""

    into: Path | None
    yes: bool
    dry_run: bool


def _bring(printer: Printer, home: Home, what: str, asking: _Asking) -> None:
    from lmctl.adapters.catalogue import shipped

    model = find(shipped(), what)
    if model is None:
        meant = near(shipped(), what) if "/" not in what else None
        if meant is not None:
            raise NotFound(
                f"no kind of object and no model is called `{what}`",
                hint=f"did you mean `{meant}`?",
            )
        from lmctl.cli.hub_getting import get_from_hub

        get_from_hub(printer, home, what, yes=asking.yes, dry_run=asking.dry_run)
        return
    if asking.dry_run:
        printer.data({"model": model.key, "manifest": model.manifest}, model.manifest)
        return
    from lmctl.cli.bringing import bring, exit_unless_locked, fleet_of, lock_or_tell

    root = fleet_of(home, asking.into)
    file = bring(printer, home, model, root)
    view = lock_or_tell(printer, root, [model.key])
    printer.data({"model": model.key, "file": str(file), "lock": view}, "")
    printer.note(f"`lmctl load {model.key}` loads it; an Instance of it declares that")
    exit_unless_locked(view, [model.key])
