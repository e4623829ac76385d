"""`wait`, `status`, `events` and the objects of `get`: how the box is and what happened."""

import asyncio
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.state.events import Event, Filter
from lmctl.adapters.state.store import read_store
from lmctl.base.errors import Refused
from lmctl.cli.client import DaemonClient, NoDaemon
from lmctl.cli.completing import goals, keys_or_box, kinds_and_keys
from lmctl.cli.following import follow_until
from lmctl.cli.goals import EXPECTED, Goal
from lmctl.cli.options import OutputOption, Quiet, Timeout
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import (
    render_conditions,
    render_event,
    render_events,
    render_objects,
    render_problem,
    render_status,
)
from lmctl.cli.selecting import key_of, select
from lmctl.cli.watching import show
from lmctl.daemon.wiring import eyes
from lmctl.planning.conditions import State
from lmctl.planning.fit.learned import MemoryPeak
from lmctl.planning.report import BoxStatus, ObjectView, box_status
from lmctl.planning.transitions import Memory
from lmctl.planning.turn import Turn, take_turn
from lmctl.reconciler.reading import LastGood, remembered, with_generation


class Level(StrEnum):
    """How grave an event is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def wait(
    objects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND/NAME]...",
            help="What to wait for; default: everything.",
            autocompletion=kinds_and_keys,
        ),
    ] = None,
    goal: Annotated[
        str,
        typer.Option("--for", metavar="GOAL", help=f"What for: {EXPECTED}.", autocompletion=goals),
    ] = "ready",
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 300.0,
) -> None:
    """Wait until all objects, or those named, are Ready for the generation that is current now.

    Those named need not be declared yet. Exit code 0: it is; 1: it stalled or is suspended; 2:
    the manifests are broken; 5: not in time, with the chain of what it waits for.
    """
    printer = Printer(output, quiet=quiet)
    wanted = tuple(key_of(each) for each in objects or ())
    aim = Goal.parse(goal)
    if aim.what == "gone" and not wanted:
        raise Refused("`--for gone` needs to know what", hint="name it: KIND/NAME")
    client = DaemonClient(home_of())
    ended = follow_until(client, printer, timeout=timeout, wanted=wanted, goal=aim)
    printer.data(ended.status, "")
    if ended.code:
        raise typer.Exit(ended.code)


def status(
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Go on: a live table, or a line per change.")
    ] = False,
) -> None:
    """Show every declared object: its state, and sync and health.

    Exit code 0: everything is Ready; 1: something is not.
    """
    printer = Printer(output, quiet=quiet)
    if watch:
        last = show(DaemonClient(home_of()).watch(), printer)
        printer.note("the daemon ended")
        raise typer.Exit(0 if last is not None and last.ready else 1)
    current = current_status(home_of())
    printer.data(current, render_status(current))
    for each in current.problems:
        if not printer.machine:
            printer.problem(render_problem(each))
    if not current.ready:
        raise typer.Exit(1)


def tell_objects(printer: Printer, home: Home, wanted: str | None) -> None:
    """Print objects with their facts; one that is named, `KIND/NAME`, with its conditions.

    Raises NotFound when there is no such thing.
    """
    found = list(current_status(home).objects)
    found += _local_models(home, {each.key for each in found})
    if wanted is not None:
        found = select(found, wanted)
    text = render_objects(found)
    if wanted is not None and "/" in wanted and found[0].conditions:
        text += f"\n\n{render_conditions(found[0])}"
    printer.data({"objects": found}, text)


def events(
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    after: Annotated[int, typer.Option(help="Only events with a larger id.")] = 0,
    about: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="KIND[/NAME]",
            help="Only of this; also `box`.",
            autocompletion=keys_or_box,
        ),
    ] = None,
    level: Annotated[Level, typer.Option(help="How grave at least.")] = Level.INFO,
) -> None:
    """Show what happened, oldest first. What repeats is one line with a count."""
    printer = Printer(output, quiet=quiet)
    home = home_of()
    subject = about if about in (None, "box") else key_of(about)
    wanted = Filter(subject or "", level.value)
    if not follow:
        told = _events(home, after, wanted)
        printer.data({"events": told}, render_events(told))
        return
    for each in DaemonClient(home).watch_events(after, wanted):
        printer.item(each, render_event(each))


def _events(home: Home, after: int, wanted: Filter) -> list[Event]:
    try:
        return list(DaemonClient(home).events(after, wanted))
    except NoDaemon:
        if not home.database.exists():
            return []
        with closing(read_store(home.database, clock=time.time)) as store:
            return store.events.after(after, wanted=wanted)


def current_status(home: Home) -> BoxStatus:
    """Return how the box is: from the daemon, or by looking ourselves when none runs."""
    try:
        with closing(DaemonClient(home)) as client:
            return client.status()
    except NoDaemon:
        return asyncio.run(_look(home))


async def _look(home: Home) -> BoxStatus:
    see = eyes(home, clock=time.time)
    last = LastGood(home.last_good)
    reading = remembered(last, Pauses(home.root), Revisions(home.revisions), see.host())
    roots = Followed(home.root / "roots.json").roots()
    if reading.desired is None:
        return box_status(Turn(reading), roots=roots)
    known = _remembered(home)
    desired = with_generation(reading.desired, known.generation)
    reading = replace(reading, desired=desired)
    observed = msgspec.structs.replace(
        await see.observer.look(desired), converged=known.converged, peaks=known.peaks
    )
    return box_status(take_turn(reading, observed).dated(known.standings), roots=roots)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a daemon wrote down last."""

    generation: int = 0
    converged: dict[str, str] = field(default_factory=dict)
    standings: Memory = field(default_factory=dict)
    peaks: tuple[MemoryPeak, ...] = ()


def _remembered(home: Home) -> _Known:
    if not home.database.exists():
        return _Known()
    try:
        with closing(read_store(home.database, clock=time.time)) as store:
            last = store.generations.last()
            number = last.number if last else 0
            return _Known(
                number, store.converged.read(), store.standings.read(), store.peaks.read()
            )
    except Refused:  # damaged, or of another version: how things are can be told without it
        return _Known()


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
