"""`validate`, and `diff` (also `plan`): what files say and what they would change."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.plan_files import write_plan
from lmctl.base.digests import short
from lmctl.base.errors import Refused
from lmctl.cli import comparing, folders
from lmctl.cli.comparing import DiffStyle, Shown, Side
from lmctl.cli.frozen import FrozenOption
from lmctl.cli.limiting import Only, check_known, only_keys
from lmctl.cli.offline import plan_offline, tell_disk
from lmctl.cli.options import Directories, PlanOutputOption, Quiet
from lmctl.cli.plans import write_down
from lmctl.cli.printer import PlanOutput
from lmctl.cli.proposing import LOOKING, Aim, propose, read
from lmctl.cli.telling import Teller
from lmctl.cli.template_faults import broken_templates
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
    result = replace(result, problems=(*result.problems, *broken_templates(result.bundle)))
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


def diff(  # one parameter per option
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR...|GENERATION GENERATION]",
            help="Folders of manifests, by default those followed; or two generations.",
            show_default=False,
        ),
    ] = None,
    *,
    output: PlanOutputOption = PlanOutput.TEXT,
    quiet: Quiet = False,
    drift_only: DriftOnly = False,
    frozen: FrozenOption = False,
    against: Annotated[
        str,
        typer.Option(
            metavar="live|lock|REV",
            help="Compare with the box, the lock, a generation, or a git revision.",
        ),
    ] = "live",
    style: Annotated[
        DiffStyle, typer.Option("--format", help="How manifests are compared with manifests.")
    ] = DiffStyle.FIELDS,
) -> None:
    """Show what `apply` would do, why, and what it costs; or what two readings differ in.

    Changes nothing. Exit code 0: in sync; 1: differences; 2: the manifests are broken; 3: something
    that is wanted cannot be done.
    """
    teller = Teller(output, quiet=quiet)
    home = home_of()
    show = Shown(teller.printer, output, style)
    if pair := comparing.generations(what or []):
        end_as_same(show.sides(*(comparing.of_generation(home, each) for each in pair)))
    roots = folders.meant(home, [Path(each) for each in what or []])
    if against != "live":
        new = folders.read_or_exit(teller.printer, roots).bundle
        if against == "lock":
            see = eyes(home, clock=time.time)
            end_as_same(show.tell(comparing.against_lock(see, new, roots)))
        old = comparing.before(home, roots, against)
        end_as_same(show.sides(old, Side(new, "the folders")))
    proposal = propose(teller, roots, LOOKING, frozen=frozen)
    proposal.tell_what_is_there(teller.printer)
    view = only_drift(proposal.view) if drift_only else proposal.view
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
    offline: Annotated[
        bool, typer.Option("--offline", help="For an empty box that is not here; asks nobody.")
    ] = False,
    host_profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="That box: what `lmctl facts` wrote there."),
    ] = None,
) -> None:
    """Show what `apply` would do, as `diff` does; with --out also write it down.

    With --offline it is the plan of an empty box elsewhere, from the files alone; exit code 0 then
    means that it can be.

    Exit code 0: in sync; 1: differences; 2: the manifests are broken; 3: something that is wanted
    cannot be done.
    """
    teller = Teller(output, quiet=quiet)
    keys = only_keys(only)
    aim = Aim(keys)
    if offline or host_profile is not None:
        _offline(teller, directories, aim, profile=host_profile, frozen=frozen, out=out)
        return
    proposal = propose(teller, directories, aim, frozen=frozen)
    check_known(proposal, keys)
    proposal.tell_what_is_there(teller.printer)
    teller.plan(only_drift(proposal.view) if drift_only else proposal.view)
    if out is not None:
        file = write_down(home_of(), proposal, aim)
        write_plan(out, file)
        teller.printer.note(f"plan {short(file.id)} written: `lmctl apply {out}` does exactly this")
    end_as(proposal.view)


def _offline(
    teller: Teller,
    directories: Sequence[Path],
    aim: Aim,
    *,
    profile: Path | None,
    frozen: bool,
    out: Path | None,
) -> None:
    """Plan for a box that is not here."""
    if out is not None:
        raise Refused(
            "a plan for a box that is not here cannot be applied",
            hint="`-o json` shows it as data; make the plan to apply on the box itself",
        )
    view = plan_offline(teller, directories, aim, profile=profile, frozen=frozen)
    teller.plan(view)
    if profile is not None and not tell_disk(teller, view, profile):
        raise typer.Exit(3)
    if view.unsatisfiable:
        raise typer.Exit(3)


def end_as_same(same: bool) -> NoReturn:
    """Exit with 0 when two readings say the same, else with 1."""
    raise typer.Exit(0 if same else 1)


def end_as(view: PlanView) -> None:
    """Exit as a plan says: 3 when something cannot be done, 1 when anything differs."""
    if view.unsatisfiable:
        raise typer.Exit(3)
    if not view.in_sync:
        raise typer.Exit(1)
