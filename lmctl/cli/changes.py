"""`validate`, and `diff` (also `plan`): what files say and what they would change."""

import time
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.plan_files import write_plan
from lmctl.base.digests import short
from lmctl.cli.frozen import FrozenOption
from lmctl.cli.limiting import Only, check_known, only_keys
from lmctl.cli.options import Directories, PlanOutputOption, Quiet
from lmctl.cli.plans import write_down
from lmctl.cli.printer import PlanOutput
from lmctl.cli.proposing import LOOKING, Aim, propose, read
from lmctl.cli.telling import Teller
from lmctl.daemon.wiring import eyes
from lmctl.planning.plan_view import PlanView, only_drift

DriftOnly = Annotated[
    bool, typer.Option("--drift-only", help="Only what moved away without an edit.")
]


def validate(
    directories: Directories,
    output: PlanOutputOption = PlanOutput.TEXT,
    quiet: Quiet = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
) -> None:
    """Check every manifest and print all problems at once.

    Exit code 0: valid; 2: not.
    """
    teller = Teller(output, quiet=quiet)
    result = read(directories, eyes(home_of(), clock=time.time))
    problems = teller.problems(result)
    valid = not (result.fatal or (strict and problems))
    if teller.printer.machine:
        teller.printer.data({"valid": valid, "problems": problems}, "")
    if not valid:
        if not result.fatal:
            teller.printer.error("warnings count as errors here (`--strict`)")
        raise typer.Exit(2)
    bundle = result.bundle
    teller.printer.note(
        f"valid: {len(bundle.models)} model(s), {len(bundle.instances)} instance(s), "
        f"{len(result.files)} file(s)"
    )


def diff(
    directories: Directories,
    output: PlanOutputOption = PlanOutput.TEXT,
    quiet: Quiet = False,
    drift_only: DriftOnly = False,
    frozen: FrozenOption = False,
) -> None:
    """Show what `apply` would do, why, and what it costs. Changes nothing.

    Exit code 0: in sync; 1: differences; 2: the manifests are broken; 3: something that is wanted
    cannot be done.
    """
    teller = Teller(output, quiet=quiet)
    proposal = propose(teller, directories, LOOKING, frozen=frozen)
    view = only_drift(proposal.view) if drift_only else proposal.view
    proposal.tell_what_is_there(teller.printer)
    teller.plan(view)
    end_as(view)


def plan(  # one parameter per option
    directories: Directories,
    *,
    output: PlanOutputOption = PlanOutput.TEXT,
    quiet: Quiet = False,
    drift_only: DriftOnly = False,
    frozen: FrozenOption = False,
    only: Only = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the plan down, for `apply FILE`."),
    ] = None,
) -> None:
    """Show what `apply` would do, as `diff` does; with --out also write it down.

    Exit code 0: in sync; 1: differences; 2: the manifests are broken; 3: something that is wanted
    cannot be done.
    """
    teller = Teller(output, quiet=quiet)
    keys = only_keys(only)
    aim = Aim(keys)
    proposal = propose(teller, directories, aim, frozen=frozen)
    check_known(proposal, keys)
    proposal.tell_what_is_there(teller.printer)
    teller.plan(only_drift(proposal.view) if drift_only else proposal.view)
    if out is not None:
        file = write_down(home_of(), proposal, aim)
        write_plan(out, file)
        teller.printer.note(f"plan {short(file.id)} written: `lmctl apply {out}` does exactly this")
    end_as(proposal.view)


def end_as(view: PlanView) -> None:
    """Exit as a plan says: 3 when something cannot be done, 1 when anything differs."""
    if view.unsatisfiable:
        raise typer.Exit(3)
    if not view.in_sync:
        raise typer.Exit(1)
