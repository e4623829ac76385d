"""`apply`: from a plan a person has seen to a changed box."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.exclusive import exclusive
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.plan_files import read_plan
from lmctl.base.errors import NotReady, Refused, Stale
from lmctl.cli.client import DaemonClient
from lmctl.cli.following import follow_until
from lmctl.cli.frozen import FrozenOption
from lmctl.cli.limiting import Only, check_known, only_keys
from lmctl.cli.options import OutputOption, Quiet, Timeout, interactive
from lmctl.cli.plans import standing, write_down
from lmctl.cli.printer import Output, PlanOutput, Printer
from lmctl.cli.proposing import Aim, Proposal, propose
from lmctl.cli.render_plan import IN_SYNC
from lmctl.cli.starting import ensure_daemon
from lmctl.cli.telling import Teller
from lmctl.daemon.exact import check
from lmctl.planning.plan_file import PlanFile
from lmctl.planning.report import BoxStatus

MOVED = 3
LOCKED = 4


@dataclass(frozen=True, slots=True)
class _Begun:
    """What the daemon was told to do: how things are, what to wait for, and whether it is all
    there already.
    """

    status: BoxStatus
    wanted: tuple[str, ...] = ()
    in_sync: bool = False


def apply(  # one parameter per option
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...|FILE",
            help="Folders of manifests, or a written plan.",
            show_default=False,
        ),
    ],
    *,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 900.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until everything is Ready.")] = True,
    frozen: FrozenOption = False,
    allow_prune: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="So many objects may be gone from the folders, this once."
        ),
    ] = 0,
    only: Only = None,
) -> None:
    """Make the box what the manifests say and keep it so; starts a daemon if none runs.

    With a file that `plan --out` wrote: exactly that, or nothing. Exit code 0: converged; 1: an
    object stalled; 2: the manifests are broken; 3: the box moved since the plan was made; 4:
    another apply is under way; 5: not in time.
    """
    teller = Teller(PlanOutput(output.value), quiet=quiet)
    printer, home = teller.printer, home_of()
    home.prepare()
    try:
        with exclusive(home.root / "apply.lock", "apply"):
            aim = Aim(only_keys(only), allow_prune=allow_prune)
            begun = _begin(home, teller, paths, aim, yes=yes, frozen=frozen)
    except NotReady as held:
        printer.error(str(held), held.hint)
        raise typer.Exit(LOCKED) from None
    except Stale as stale:
        tell_moved(printer, stale)
        raise typer.Exit(MOVED) from None
    if begun.in_sync:
        printer.data(begun.status, IN_SYNC)
    elif wait:
        _wait(DaemonClient(home), printer, timeout, begun.wanted)
    else:
        printer.data(begun.status, "")


def tell_moved(printer: Printer, stale: Stale) -> None:
    """Say what moved, a line each."""
    printer.problem(f"error: {stale}")
    for each in stale.moved:
        printer.problem(f"  {each}")
    if stale.hint:
        printer.problem(f"hint: {stale.hint}")


def _begin(
    home: Home,
    teller: Teller,
    paths: Sequence[Path],
    aim: Aim,
    *,
    yes: bool,
    frozen: bool,
) -> _Begun:
    if len(paths) == 1 and paths[0].is_file():
        if aim.only:
            raise Refused("`--only` does not go with a written plan", hint="it says what it is of")
        return _begin_written(home, teller, paths[0])
    while True:
        proposal = propose(teller, paths, aim, frozen=frozen)
        check_known(proposal, aim.only)
        _confirm(teller, proposal, yes=yes)
        try:
            return _begin_proposed(home, teller, proposal, aim)
        except Stale as stale:
            teller.printer.note("the box moved meanwhile:")
            for each in stale.moved:
                teller.printer.note(f"  {each}")
            if yes:  # nobody saw that very plan: what is to be done now is as good
                return _begin_anyhow(home, teller, proposal, aim)


def _begin_written(home: Home, teller: Teller, path: Path) -> _Begun:
    """Do exactly what a file says. Raises Stale when that cannot be."""
    file = read_plan(path)
    check(file, standing(home, file).moved)
    ensure_daemon(home, teller.printer, to_apply=True)
    status = DaemonClient(home).apply(file)
    return _Begun(status, _wanted(file.only, status), not file.actions and status.ready)


def _begin_proposed(home: Home, teller: Teller, proposal: Proposal, aim: Aim) -> _Begun:
    """Do exactly what was shown. Raises Stale when that cannot be."""
    try:
        file = write_down(home, proposal, aim)
    except Refused:  # the database is damaged or of another version: the daemon knows what to do
        return _begin_anyhow(home, teller, proposal, aim)
    return _follow(home, teller, proposal, file, aim)


def _begin_anyhow(home: Home, teller: Teller, proposal: Proposal, aim: Aim) -> _Begun:
    return _follow(home, teller, proposal, None, aim)


def _follow(
    home: Home,
    teller: Teller,
    proposal: Proposal,
    file: PlanFile | None,
    aim: Aim,
) -> _Begun:
    client = DaemonClient(home)
    started = ensure_daemon(home, teller.printer, to_apply=True)
    was_following = not started and client.status().roots == proposal.roots
    status = (
        client.apply(file)
        if file
        else client.follow(proposal.roots, aim.only, allow_prune=aim.allow_prune)
    )
    in_sync = proposal.plan.empty and status.ready
    if in_sync and not was_following:
        teller.printer.note(f"now following {', '.join(proposal.roots)}")
    return _Begun(status, _wanted(aim.only, status), in_sync)


def _wait(client: DaemonClient, printer: Printer, timeout: float, wanted: tuple[str, ...]) -> None:
    ended = follow_until(client, printer, timeout=timeout, wanted=wanted)
    status = ended.status
    printer.data(status, "")
    if ended.code:
        raise typer.Exit(ended.code)
    where = f", serving at {status.url}" if status.url else ""
    what = f"{', '.join(wanted)} of " if wanted else ""
    printer.note(f"{what}generation {status.generation} is ready{where}")


def _confirm(teller: Teller, proposal: Proposal, *, yes: bool) -> None:
    """Show what would be done and ask; exits with 1 when it is not wanted."""
    printer = teller.printer
    nothing = proposal.plan.empty and not proposal.tools
    if not printer.machine and not nothing:
        proposal.tell_what_is_there(printer)
        if not proposal.plan.empty:
            teller.plan(proposal.view)
    if yes or nothing:
        return
    if printer.machine or not interactive():
        printer.error("nobody to ask", "pass --yes to apply this plan")
        raise typer.Exit(2)
    if not typer.confirm("Apply this plan?", err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)


def _wanted(only: Sequence[str], status: BoxStatus) -> tuple[str, ...]:
    """Return what to wait for: what is declared of the objects the work was limited to."""
    declared = {each.key for each in status.objects}
    return tuple(each for each in only if each in declared)
