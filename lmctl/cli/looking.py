"""`wait`, `status`, `get` and `events`: how the box is and what happened."""

import asyncio
import time
from typing import Annotated

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.sqlite import Event, Store
from lmctl.base.errors import NotFound, Unreachable
from lmctl.cli.client import DaemonClient
from lmctl.cli.following import follow_until_ready
from lmctl.cli.options import OutputOption, Quiet, Timeout
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import render_event, render_events, render_objects, render_status
from lmctl.daemon.wiring import eyes
from lmctl.planning.conditions import State
from lmctl.planning.report import BoxStatus, ObjectView, box_status
from lmctl.planning.turn import Reading, Turn, take_turn
from lmctl.reconciler.reading import LastGood

KINDS = ("runtime", "model", "server", "instance")


def wait(
    objects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND/NAME]...", help="What to wait for; default: everything."),
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 300.0,
) -> None:
    """Wait until everything, or what is named, is Ready.

    Exit code 0: it is; 1: it stalled; 5: not in time, with what blocks it.
    """
    printer = Printer(output, quiet=quiet)
    keys = tuple(objects or ())
    status = follow_until_ready(DaemonClient(home_of()), printer, timeout=timeout, keys=keys)
    if printer.machine:
        printer.data(status, "")


def status(output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Show every declared object and whether it is Ready.

    Exit code 0: everything is Ready; 1: something is not.
    """
    printer = Printer(output, quiet=quiet)
    current = current_status(home_of())
    printer.data(current, render_status(current))
    for each in current.problems:
        if not printer.machine:
            printer.problem(
                f"{each.file}:{each.line}:{each.column}: {each.severity}: {each.message}"
            )
    if not current.ready:
        raise typer.Exit(1)


def get(
    kind: Annotated[
        str | None, typer.Argument(help="instances, models, runtimes, server or KIND/NAME.")
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """List objects with their facts; `models` also shows files you put into the models folder."""
    printer = Printer(output, quiet=quiet)
    home = home_of()
    found = list(current_status(home).objects)
    found += _local_models(home, {each.key for each in found})
    if kind is not None:
        found = _select(found, kind)
    printer.data({"objects": found}, render_objects(found))


def events(
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    after: Annotated[int, typer.Option(help="Only events with a larger id.")] = 0,
) -> None:
    """Show what happened, oldest first."""
    printer = Printer(output, quiet=quiet)
    home = home_of()
    if not follow:
        told = _events(home, after)
        printer.data({"events": told}, render_events(told))
        return
    for each in DaemonClient(home).watch_events(after):
        printer.data(each, render_event(each))


def _events(home: Home, after: int) -> list[Event]:
    try:
        return list(DaemonClient(home).events(after))
    except Unreachable:
        if not home.database.exists():
            return []
        store = Store(home.database, clock=time.time)
        try:
            return list(store.events(after=after))
        finally:
            store.close()


def current_status(home: Home) -> BoxStatus:
    """Return how the box is: from the daemon, or by looking ourselves when none runs."""
    try:
        return DaemonClient(home).status()
    except Unreachable:
        return asyncio.run(_look(home))


async def _look(home: Home) -> BoxStatus:
    see = eyes(home, clock=time.time)
    last = LastGood(home.last_good).read(see.host())
    if last is None:
        return box_status(Turn(Reading(None)))
    return box_status(take_turn(Reading(last.desired), await see.observer.look(last.desired)))


def _select(found: list[ObjectView], wanted: str) -> list[ObjectView]:
    kind = wanted.partition("/")[0]
    singular = kind.removesuffix("s") if kind.removesuffix("s") in KINDS else kind
    if singular not in KINDS:
        raise NotFound(f"unknown kind `{kind}`", hint=f"known kinds: {', '.join(KINDS)}")
    if "/" not in wanted:
        return [each for each in found if each.kind == singular]
    key = f"{singular}/{wanted.partition('/')[2]}"
    matches = [each for each in found if each.key == key]
    if not matches:
        names = ", ".join(each.key for each in found if each.kind == singular) or "none"
        raise NotFound(f"no `{key}`", hint=f"there is: {names}")
    return matches


def _local_models(home: Home, known: set[str]) -> list[ObjectView]:
    tree = eyes(home, clock=time.time).tree
    return [
        ObjectView(
            key=f"model/{each.key}",
            kind="model",
            name=each.key,
            ready=True,
            state=State.READY,
            message="put there by hand; not declared",
            observed_generation=0,
            facts={
                "size": sum(file.size for file in each.files),
                "files": [str(file.path) for file in each.files],
            },
        )
        for each in tree.local_models().models
        if f"model/{each.key}" not in known
    ]
