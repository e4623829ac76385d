"""`state`: is what the box remembers sound, a copy of it, and a fresh start."""

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.files import read_if_there
from lmctl.adapters.git import commit_of
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.state import upkeep
from lmctl.adapters.state.store import open_store
from lmctl.base.quantities import format_size
from lmctl.cli.options import OutputOption
from lmctl.cli.printer import Output, Printer
from lmctl.reconciler.history import History, last_number

app = typer.Typer(no_args_is_help=True, help="Check, copy or rebuild what the box remembers.")

_WISHES = ("roots.json", "hold.json", "suspended.json")


@app.command()
def check(output: OutputOption = Output.TEXT) -> None:
    """Check the database, the wishes and the files of past generations.

    Exit code 0: all is sound; 1: something is not.
    """
    printer = Printer(output)
    home = home_of()
    found = [*upkeep.problems(home.database), *_wishes(home), *_revisions(home)]
    printer.data({"sound": not found, "problems": found}, "\n".join(found) or "all is sound")
    if found:
        raise typer.Exit(1)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The new .tar.gz file.")],
) -> None:
    """Write a copy of what the box remembers, without weights; a daemon may go on running.

    To restore it: `lmctl daemon down`, unpack it into the home folder, `lmctl daemon up`.
    """
    home = home_of()
    beside = [home.root / each for each in (*_WISHES, home.last_good.name)]
    size = upkeep.back_up(home.database, [*beside, home.revisions], file.absolute())
    Printer().note(f"{file}: {format_size(size)}")


@app.command()
def rebuild() -> None:
    """Put the database away and make a new one of what is kept; no model is touched.

    Exit code 0: done; 2: a daemon runs.
    """
    home = home_of()
    home.prepare()
    with home.only_one():
        aside = upkeep.set_aside(home.database, time.time())
        with closing(open_store(home.database, clock=time.time)) as store:
            known = History(
                store.generations, Revisions(home.revisions), commit_of=commit_of, clock=time.time
            )
            count = known.restore(last_number(home.run))
            store.events.record("box", "Rebuilt", f"{count} generation(s) restored")
    was = f", the old one is {os.fspath(aside)}" if aside else ""
    Printer().note(
        f"{count} generation(s) restored{was}; `lmctl daemon up` sees the rest for itself"
    )


def _wishes(home: Home) -> list[str]:
    """Return the files of wishes that cannot be read: what they asked for is forgotten."""
    found = []
    for name in _WISHES:
        content = read_if_there(home.root / name)
        try:
            msgspec.json.decode(content or b"null")
        except msgspec.DecodeError as error:
            found.append(f"`{home.root / name}` is damaged: {error}")
    return found


def _revisions(home: Home) -> list[str]:
    revisions = Revisions(home.revisions)
    found = [
        f"the files of a past generation are damaged: {home.revisions}/{each}.msgpack"
        for each in revisions.digests()
        if revisions.read(each) is None
    ]
    hold = Pauses(home.root).hold()
    if hold is not None and hold.target not in revisions:
        found.append(f"the files of generation {hold.generation}, rolled back to, are gone")
    return found
