"""`rollback`, `suspend`, `resume` and `reconcile`: an earlier generation, things left alone."""

import getpass
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.state.store import open_store
from lmctl.cli.client import DaemonClient, NoDaemon
from lmctl.cli.completing import keys_or_box
from lmctl.cli.following import follow_until
from lmctl.cli.history import known_history
from lmctl.cli.options import OutputOption, Quiet, Timeout, Until, interactive
from lmctl.cli.printer import Output, PlanOutput, Printer
from lmctl.cli.proposing import propose_reading
from lmctl.cli.starting import ensure_daemon
from lmctl.cli.telling import Teller
from lmctl.daemon.wiring import eyes
from lmctl.planning.pauses import Suspension
from lmctl.reconciler.reading import LastGood, read_revision
from lmctl.reconciler.wishes import Wishes

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Wait = Annotated[bool, typer.Option(help="Wait until everything is Ready.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever looks at it later.")]


def rollback(  # one parameter per option
    generation: Annotated[
        int | None,
        typer.Argument(metavar="[GENERATION]", help="By default the last that converged before."),
    ] = None,
    *,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 900.0,
    yes: Yes = False,
    wait: Wait = True,
    reason: Reason = "",
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End a rollback: what the folders say is in force.")
    ] = False,
) -> None:
    """Bring an earlier generation back, and hold what the folders say now until the next edit.

    Exit code 0: converged; 1: an object stalled or the plan was declined; 2: it cannot be had;
    5: not in time.
    """
    printer = Printer(output, quiet=quiet)
    home = home_of()
    if cancel:
        _resume(home, printer, "hold")
        return
    with known_history(home) as (known, _):
        target = known.target(generation)
        files = known.files_of(target)
    see = eyes(home, clock=time.time)
    teller = Teller(PlanOutput(output.value), quiet=quiet)
    proposal = propose_reading(teller, see, read_revision(files, see.host()))
    printer.note(f"going back to generation {target.number}")
    if not printer.machine:
        teller.plan(proposal.view)
    if not yes:
        _confirm(printer)
    ensure_daemon(home, printer)
    client = DaemonClient(home)
    status = client.rollback(target.number, by=_user(), reason=reason)
    if status.hold is not None:
        printer.note(str(status.hold))
    _finish(client, printer, timeout, wait=wait)


def suspend(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="[KIND/NAME | box]",
            help="What to leave as it is.",
            autocompletion=keys_or_box,
        ),
    ] = "box",
    reason: Reason = "",
    until: Until = None,
    quiet: Quiet = False,
) -> None:
    """Leave an object, or the whole box, as it is: what runs keeps running, nothing is changed."""
    printer = Printer(quiet=quiet)
    if not reason:
        raise typer.BadParameter("say why, for whoever finds it suspended", param_hint="--reason")
    home = home_of()
    now = time.time()
    new = Suspension(subject, reason, now, _user(), until)
    try:
        DaemonClient(home).suspend(new)
    except NoDaemon:
        with _alone(home) as wishes:
            last = LastGood(home.last_good).read(eyes(home, clock=time.time).host())
            wishes.add(new, last.desired if last else None)
    printer.note(f"{subject} is suspended: {new}")


def resume(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND/NAME | box]",
            help="By default everything, and a rollback.",
            autocompletion=keys_or_box,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """End a suspension; without a name all of them, and the hold of a rollback."""
    _resume(home_of(), Printer(quiet=quiet), subject or "all")


def reconcile(
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 300.0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everything is Ready.")] = False,
) -> None:
    """Look at everything again now, and try what failed once more.

    Exit code 0: asked, or with --wait converged; 1: an object stalled; 5: not in time.
    """
    printer = Printer(output, quiet=quiet)
    client = DaemonClient(home_of())
    client.reconcile()
    _finish(client, printer, timeout, wait=wait)


def _resume(home: Home, printer: Printer, what: str) -> None:
    try:
        ended = DaemonClient(home).resume(what, by=_user())
    except NoDaemon:
        with _alone(home) as wishes:
            ended = wishes.resume(what, _user(), None)
    printer.note(f"resumed: {', '.join(ended)}" if ended else "nothing was suspended or held")


def _finish(client: DaemonClient, printer: Printer, timeout: float, *, wait: bool) -> None:
    if not wait:
        printer.data(client.status(), "")
        return
    ended = follow_until(client, printer, timeout=timeout)
    printer.data(ended.status, "")
    if ended.code:
        raise typer.Exit(ended.code)
    printer.note(f"generation {ended.status.generation} is ready")


@contextmanager
def _alone(home: Home) -> Iterator[Wishes]:
    """Give the wishes of a box without a daemon, and keep one from starting meanwhile."""
    home.prepare()
    with home.only_one(), closing(open_store(home.database, clock=time.time)) as store:
        yield Wishes(
            Pauses(home.root),
            clock=time.time,
            tell=store.events.record,
        )


def _confirm(printer: Printer) -> None:
    if printer.machine or not interactive():
        printer.error("nobody to ask", "pass --yes to go back")
        raise typer.Exit(2)
    if not typer.confirm("Go back?", err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
