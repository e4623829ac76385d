"""`validate`, `diff` (also `plan`) and `apply`: from files to a changed box."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.weights.sizes import download_sizes
from lmctl.base.diagnostics import Diagnostic
from lmctl.cli.client import DaemonClient
from lmctl.cli.following import follow_until_ready
from lmctl.cli.options import Directories, OutputOption, Quiet, Timeout, absolute, interactive
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import IN_SYNC, render_plan
from lmctl.cli.starting import ensure_daemon
from lmctl.daemon.wiring import Eyes, eyes
from lmctl.manifests.report import render as render_problems
from lmctl.planning.conditions import State
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import Plan
from lmctl.planning.report import ProblemView, problem_of
from lmctl.planning.step_view import StepView, step_of
from lmctl.planning.turn import Reading, take_turn
from lmctl.planning.weights_values import WeightsState
from lmctl.reconciler.reading import ReadResult, read_folders


def validate(
    directories: Directories,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Check every manifest and print all problems at once.

    Exit code 0: valid; 2: not.
    """
    printer = Printer(output, quiet=quiet)
    result = _read(eyes(home_of(), clock=time.time), directories)
    _tell_problems(printer, result)
    if printer.machine:
        printer.data({"valid": not result.fatal, "problems": _views(result.problems)}, "")
    if result.fatal:
        raise typer.Exit(2)
    bundle = result.bundle
    printer.note(
        f"valid: {len(bundle.models)} model(s), {len(bundle.instances)} instance(s), "
        f"{len(result.files)} file(s)"
    )


def diff(
    directories: Directories,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Show what `apply` would do, why, and what it costs. Changes nothing.

    Exit code 0: in sync; 1: differences; 2: the manifests are broken.
    """
    printer = Printer(output, quiet=quiet)
    proposal = _propose(printer, directories)
    proposal.tell_what_is_there(printer)
    printer.data(proposal.data(), render_plan(proposal.steps))
    if not proposal.plan.empty:
        raise typer.Exit(1)


def apply(
    directories: Directories,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 900.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until everything is Ready.")] = True,
) -> None:
    """Make the box what the manifests say and keep it so; starts a daemon if none runs.

    Exit code 0: converged; 1: an object stalled; 2: the manifests are broken; 5: not in time.
    """
    printer = Printer(output, quiet=quiet)
    proposal = _propose(printer, directories)
    if not printer.machine and not proposal.plan.empty:
        proposal.tell_what_is_there(printer)
        printer.data(None, render_plan(proposal.steps))
    if not proposal.plan.empty and not yes:
        _confirm(printer)
    home = home_of()
    started = ensure_daemon(home, printer)
    client = DaemonClient(home)
    roots = [str(each) for each in absolute(directories)]
    was_following = not started and client.status().roots == tuple(roots)
    status = client.follow(roots)
    if proposal.plan.empty and status.ready:
        if not was_following:
            printer.note(f"now following {', '.join(roots)}")
        printer.data(status, IN_SYNC)
        return
    if wait:
        _wait(client, printer, timeout)
    else:
        printer.data(status, "")


def _wait(client: DaemonClient, printer: Printer, timeout: float) -> None:
    ended = follow_until_ready(client, printer, timeout=timeout)
    status = ended.status
    printer.data(status, "")
    if ended.code:
        raise typer.Exit(ended.code)
    where = f", serving at {status.url}" if status.url else ""
    printer.note(f"generation {status.generation} is ready{where}")


@dataclass(frozen=True, slots=True)
class _Proposal:
    plan: Plan
    in_place: tuple[str, ...]

    def tell_what_is_there(self, printer: Printer) -> None:
        """Say what need not be done again."""
        if not self.plan.empty and self.in_place:
            printer.note("already in place: " + ", ".join(self.in_place))

    @property
    def steps(self) -> list[StepView]:
        return [step_of(each) for each in self.plan.steps]

    def data(self) -> dict[str, object]:
        return {"inSync": self.plan.empty, "steps": self.steps}


def _read(see: Eyes, directories: Sequence[Path]) -> ReadResult:
    return read_folders(absolute(list(directories)), see.host())


def _propose(printer: Printer, directories: Sequence[Path]) -> _Proposal:
    """Read, observe and plan with the daemon's own functions and eyes.

    Exits with 2 when the manifests are broken.
    """
    see = eyes(home_of(), clock=time.time)
    result = _read(see, directories)
    _tell_problems(printer, result)
    if result.fatal:
        if printer.machine:
            printer.data({"valid": False, "problems": _views(result.problems)}, "")
        raise typer.Exit(2)
    observed = asyncio.run(_observe(see, result.desired))
    turn = take_turn(Reading(result.desired), observed)
    return _Proposal(turn.plan, tuple(s.key for s in turn.standings if s.state is State.READY))


async def _observe(see: Eyes, desired: DesiredState) -> ObservedState:
    observed = await see.observer.look(desired)
    missing = [
        each
        for each in desired.weights
        if observed.seen_weights(each.key).state is WeightsState.ABSENT
    ]
    return msgspec.structs.replace(observed, downloads=await download_sizes(missing))


def _tell_problems(printer: Printer, result: ReadResult) -> None:
    if result.problems and not printer.machine:
        printer.problem(render_problems(result.problems, result.files).rstrip("\n"))


def _views(problems: Sequence[Diagnostic]) -> list[ProblemView]:
    return [problem_of(each) for each in problems]


def _confirm(printer: Printer) -> None:
    if printer.machine or not interactive():
        printer.error("nobody to ask", "pass --yes to apply this plan")
        raise typer.Exit(2)
    if not typer.confirm("Apply this plan?", err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)
