"""`apply`: from a plan a person has seen to a changed box."""

from typing import Annotated

import typer

from lmctl.adapters.home import home_of
from lmctl.cli.client import DaemonClient
from lmctl.cli.following import follow_until
from lmctl.cli.frozen import FrozenOption
from lmctl.cli.options import Directories, OutputOption, Quiet, Timeout, interactive
from lmctl.cli.printer import Output, PlanOutput, Printer
from lmctl.cli.proposing import propose
from lmctl.cli.render_plan import IN_SYNC
from lmctl.cli.starting import ensure_daemon
from lmctl.cli.telling import Teller


def apply(
    directories: Directories,
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
) -> None:
    """Make the box what the manifests say and keep it so; starts a daemon if none runs.

    Exit code 0: converged; 1: an object stalled; 2: the manifests are broken; 5: not in time.
    """
    teller = Teller(PlanOutput(output.value), quiet=quiet)
    printer = teller.printer
    proposal = propose(teller, directories, frozen=frozen, allow_prune=allow_prune)
    if not printer.machine and not proposal.plan.empty:
        proposal.tell_what_is_there(printer)
        teller.plan(proposal.view)
    if not proposal.plan.empty and not yes:
        _confirm(printer)
    home = home_of()
    started = ensure_daemon(home, printer)
    client = DaemonClient(home)
    was_following = not started and client.status().roots == proposal.roots
    status = client.follow(proposal.roots, allow_prune=allow_prune)
    if proposal.plan.empty and status.ready:
        if not was_following:
            printer.note(f"now following {', '.join(proposal.roots)}")
        printer.data(status, IN_SYNC)
        return
    if wait:
        _wait(client, printer, timeout)
    else:
        printer.data(status, "")


def _wait(client: DaemonClient, printer: Printer, timeout: float) -> None:
    ended = follow_until(client, printer, timeout=timeout)
    status = ended.status
    printer.data(status, "")
    if ended.code:
        raise typer.Exit(ended.code)
    where = f", serving at {status.url}" if status.url else ""
    printer.note(f"generation {status.generation} is ready{where}")


def _confirm(printer: Printer) -> None:
    if printer.machine or not interactive():
        printer.error("nobody to ask", "pass --yes to apply this plan")
        raise typer.Exit(2)
    if not typer.confirm("Apply this plan?", err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)
