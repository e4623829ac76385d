"""`plan --offline`: what a box that is not here would do, from the files alone."""

from collections.abc import Sequence
from pathlib import Path

import typer

from lmctl.base.quantities import format_size
from lmctl.cli.frozen import refuse_unlocked
from lmctl.cli.options import absolute
from lmctl.cli.profiles import profile_of
from lmctl.cli.proposing import Aim
from lmctl.cli.telling import Teller
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan_view import PlanView, plan_view
from lmctl.planning.resolve import HostFacts
from lmctl.planning.turn import Reading, take_turn
from lmctl.reconciler.reading import read_folders

# Where a daemon's sockets would be: nothing is ever looked for there.
_NOWHERE = HostFacts(sockets="/run/lmctl", user="~", control="/run/lmctl/control.sock")


def plan_offline(
    teller: Teller,
    directories: Sequence[Path],
    aim: Aim,
    *,
    profile: Path | None,
    frozen: bool,
) -> PlanView:
    """Return the plan of an empty box that has what a profile says, problems told. Nothing is looked
    at but files: sizes are those that lmctl.lock has, and no source is asked.

    Exits with 2 when the manifests or the profile are broken, with 3 when the weights do not fit on
    its disk or, `frozen`, when the lock does not pin every model.
    """
    result = read_folders(absolute(list(directories)), _NOWHERE)
    problems = teller.problems(result)
    if result.fatal:
        teller.invalid(problems)
        raise typer.Exit(2)
    if frozen:
        refuse_unlocked(result, teller.printer)
    desired = aim.of(result.desired)
    host = profile_of(teller.printer, profile) if profile else None
    observed = ObservedState(host=host, downloads=_locked_sizes(desired))
    turn = take_turn(Reading(desired), observed)
    return plan_view(turn.plan, observed, places=desired.places)


def tell_disk(teller: Teller, view: PlanView, profile: Path) -> bool:
    """Say so when the weights of a plan do not fit on the profile's disk; returns whether they do."""
    free = profile_of(teller.printer, profile).disk.free
    if view.totals.download <= free:
        return True
    teller.printer.error(
        f"the weights take {format_size(view.totals.download)}, the disk has {format_size(free)}",
        "declare fewer models, or a smaller variant",
    )
    return False


def _locked_sizes(desired: DesiredState) -> dict[str, int]:
    """Return the bytes to fetch by weights key, of those whose sources a lock pins."""
    return {each.key: each.pinned[0].download() for each in desired.weights if each.pinned}
