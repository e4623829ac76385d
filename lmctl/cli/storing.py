"""`verify` and `gc`: the stored weights themselves, read again or removed when nobody needs them."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.runtimes.collecting import UnusedBuild, mark
from lmctl.adapters.runtimes.folders import Environments
from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.collecting import Collector, Unused
from lmctl.base.errors import NotFound, Unreachable
from lmctl.base.quantities import format_size, write_duration
from lmctl.cli.client import DaemonClient
from lmctl.cli.options import Grace, OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.daemon.marking import needed_by
from lmctl.daemon.wiring import eyes
from lmctl.manifests.suggest import closest
from lmctl.planning.weights_values import StoredWeights

DAY = 86400.0
_Unused = Unused | UnusedBuild


class Checked(msgspec.Struct, frozen=True):
    """One stored model: `damaged` are the names of its files that are not what was stored."""

    model: str
    size: int
    damaged: tuple[str, ...] = ()


def verify(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: everything stored.")
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Hash stored weights now, every byte; what is damaged goes to quarantine and is fetched again.

    Exit code 0: all whole; 1: something was damaged or is missing; 2: no such model is stored.
    """
    printer = Printer(output, quiet=quiet)
    home = home_of()
    see = eyes(home, clock=time.time)
    chosen = _chosen(see.weights.scan(), models or [])
    found = asyncio.run(_check(Blobs(home.root), chosen, printer))
    printer.data({"models": found}, "\n".join(map(_told, found)) or "nothing is stored")
    if any(each.damaged for each in found):
        _tell_the_daemon(home)
        raise typer.Exit(1)


def gc(
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    grace: Grace = 7 * DAY,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove stored weights and installed runtimes that nothing has needed for a while.

    Needed are those of the followed manifests, of the generations that are kept, of their locks,
    and of every runner.
    """
    printer = Printer(output, quiet=quiet)
    home = home_of()
    removed, kept = asyncio.run(_collect(home, grace, dry_run=dry_run))
    freed = sum(each.size for each in removed)
    data = {"dryRun": dry_run, "freed": freed, "removed": removed, "kept": kept, "grace": grace}
    printer.data(data, _report(removed, kept, grace, dry_run=dry_run))


def _tell_the_daemon(home: Home) -> None:
    """Have it look now; without one, the next one will."""
    if home.holder() is not None:
        with closing(DaemonClient(home)) as client, suppress(Unreachable):
            client.reconcile()


def _chosen(stored: Sequence[StoredWeights], models: Sequence[str]) -> list[StoredWeights]:
    known = {each.model for each in stored}
    for name in models:
        if name not in known:
            near = closest(name, known)
            raise NotFound(
                f"no weights of `{name}` are stored",
                hint=f"did you mean `{near}`?" if near else f"stored: {', '.join(sorted(known))}",
            )
    return [each for each in stored if not models or each.model in models]


async def _check(blobs: Blobs, stored: Sequence[StoredWeights], printer: Printer) -> list[Checked]:
    """Hash every file once, however many models have it."""
    whole: dict[str, bool] = {}
    found = []
    for each in stored:
        printer.note(f"{each.model}: reading {format_size(each.size)}")
        for file in each.files:
            if file.sha256 not in whole:
                whole[file.sha256] = await blobs.sound(file.sha256)
        damaged = tuple(file.name for file in each.files if not whole[file.sha256])
        found.append(Checked(each.model, each.size, damaged))
    return found


def _told(checked: Checked) -> str:
    if not checked.damaged:
        return f"whole    {checked.model}: {format_size(checked.size)}"
    names = ", ".join(checked.damaged)
    return f"damaged  {checked.model}: {names}; a daemon fetches it again"


async def _collect(
    home: Home, grace: float, *, dry_run: bool
) -> tuple[list[_Unused], list[_Unused]]:
    """Return what went (or would go), and what is unused for too short a time."""
    see = eyes(home, clock=time.time)
    collector = Collector(home.root, clock=time.time)
    async with Blobs(home.root).lock("gc"):
        needed, environments = needed_by(home, see), see.runtimes.environments
        builds = mark(environments, needed.environments, time.time)
        unused: list[_Unused] = [*collector.mark(needed), *builds]
        now = time.time()
        due = [each for each in unused if now - each.since >= grace]
        kept = [each for each in unused if each not in due]
        if not dry_run:
            due = [each for each in due if await _remove(each, collector, environments)]
        return due, kept


async def _remove(each: _Unused, collector: Collector, environments: Environments) -> bool:
    """Remove one thing; False when it is in use after all, or gone."""
    if isinstance(each, UnusedBuild):
        await asyncio.to_thread(environments.remove, environments.named(each.name))
        return True
    return await collector.remove(each)


def _report(
    removed: Sequence[_Unused], kept: Sequence[_Unused], grace: float, *, dry_run: bool
) -> str:
    now = time.time()
    lines = [
        f"  - {each.what}{f' ({format_size(each.size)})' if each.size else ''},"
        f" unused for {_age(now - each.since)}"
        for each in removed
    ]
    word = "would free" if dry_run else "freed"
    lines.append(f"{word} {format_size(sum(each.size for each in removed))}")
    if kept:
        size = format_size(sum(each.size for each in kept))
        lines.append(f"{size} more is unused for less than {write_duration(grace)} and stays")
    return "\n".join(lines)


def _age(seconds: float) -> str:
    """Return a time span to the minute."""
    return write_duration(max(seconds, 0.0) // 60 * 60)
