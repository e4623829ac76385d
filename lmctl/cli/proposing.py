"""From folders to what would be done: read, looked at and planned with the daemon's own functions."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.state.store import read_store
from lmctl.adapters.weights.sizes import download_sizes
from lmctl.base.errors import NotFound, Refused
from lmctl.cli.frozen import refuse_unlocked
from lmctl.cli.options import absolute
from lmctl.cli.printer import Printer
from lmctl.cli.telling import Teller
from lmctl.daemon.wiring import Eyes, eyes
from lmctl.planning.conditions import State
from lmctl.planning.desired import DesiredState
from lmctl.planning.fit.learned import MemoryPeak
from lmctl.planning.limits import limited
from lmctl.planning.observed import ObservedState
from lmctl.planning.pauses import suspend
from lmctl.planning.plan import Plan
from lmctl.planning.plan_view import PlanView, plan_view
from lmctl.planning.policies import correcting
from lmctl.planning.tool_changes import tool_changes
from lmctl.planning.turn import Reading, take_turn
from lmctl.planning.weights_values import WeightsState
from lmctl.reconciler.reading import LastGood, ReadResult, read_folders, read_guarded


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the folders say, how the box is, and the plan between them.

    `in_place` are the objects about which nothing need be done; `tools` tells of tool servers, which
    are hosted without a step.
    """

    roots: tuple[str, ...]
    reading: ReadResult
    desired: DesiredState
    observed: ObservedState
    plan: Plan
    view: PlanView
    in_place: tuple[str, ...]
    tools: tuple[str, ...] = ()

    def tell_what_is_there(self, printer: Printer) -> None:
        """Say what need not be done again, and what tool servers become of it."""
        if not self.plan.empty and self.in_place:
            printer.note("already in place: " + ", ".join(self.in_place))
        for each in self.tools:
            printer.note(each)


@dataclass(frozen=True, slots=True)
class Aim:
    """What is planned for: `only` some objects and what they need, none for all; and whether a
    person means to apply it, which also corrects drift that is otherwise only reported. As many as
    `allow_prune` objects may be gone from the folders.
    """

    only: tuple[str, ...] = ()
    to_apply: bool = True
    allow_prune: int = 0

    def of(self, desired: DesiredState) -> DesiredState:
        """Return what is desired, as far as it is aimed at."""
        goal = limited(desired, self.only)
        return correcting(goal) if self.to_apply else goal


LOOKING = Aim(to_apply=False)
ALL = Aim()


@dataclass(frozen=True, slots=True)
class Known:
    """What a daemon wrote down: what was seen to be as wanted, and how long steps took."""

    converged: dict[str, str] = field(default_factory=dict)
    peaks: tuple[MemoryPeak, ...] = ()
    seconds: Mapping[str, float | None] = field(default_factory=dict)


def read(directories: Sequence[Path], see: Eyes) -> ReadResult:
    """Return what the folders say, whatever is wrong with it."""
    return read_folders(absolute(list(directories)), see.host())


def propose(
    teller: Teller, directories: Sequence[Path], aim: Aim = ALL, *, frozen: bool = False
) -> Proposal:
    """Read, look and plan, problems told; exits with 2 when the manifests are broken, or when more
    than policy and the aim allow is gone from a folder the daemon follows.

    `frozen` allows no model that its lock does not pin: exits with 3 then.
    """
    home = home_of()
    see = eyes(home, clock=time.time)
    host = see.host()
    before = LastGood(home.last_good).read(host)
    result = read_guarded(absolute(list(directories)), host, before, allowed=aim.allow_prune)
    hold = Pauses(home.root).hold()
    if hold is not None and hold.digest == result.bundle.digest:
        teller.printer.note(f"{hold}; `lmctl apply` ends that")
    return propose_reading(teller, see, result, absolute(list(directories)), aim=aim, frozen=frozen)


def propose_reading(
    teller: Teller,
    see: Eyes,
    result: ReadResult,
    roots: Sequence[Path] = (),
    *,
    aim: Aim = ALL,
    frozen: bool = False,
) -> Proposal:
    """Look and plan for what was read, as `propose` does."""
    problems = teller.problems(result)
    if result.fatal:
        teller.invalid(problems)
        raise typer.Exit(2)
    if frozen:
        refuse_unlocked(result, teller.printer)
    desired = aim.of(suspend(result.desired, Pauses(see.home.root).suspensions()))
    observed = asyncio.run(observe(see, desired))
    good = LastGood(see.home.last_good).read(see.host())
    before = known(see.home)
    observed = msgspec.structs.replace(observed, converged=before.converged, peaks=before.peaks)
    turn = take_turn(Reading(desired), observed)
    seconds = known(see.home, turn.plan).seconds
    return Proposal(
        roots=tuple(str(each) for each in roots),
        reading=result,
        desired=desired,
        observed=observed,
        plan=turn.plan,
        view=plan_view(turn.plan, observed, places=desired.places, typical=seconds),
        in_place=tuple(each.key for each in turn.standings if each.state is State.READY),
        tools=tuple(tool_changes(good.desired if good else None, desired)),
    )


def known(home: Home, plan: Plan | None = None) -> Known:
    """Return what was written down, and how long the steps of a plan usually take.

    A database that is missing or of another version is no reason not to plan.
    """
    try:
        with closing(read_store(home.database, clock=time.time)) as store:
            steps = plan.steps if plan else ()
            journal = store.journal
            seconds = {each.key: journal.typical(each.key, each.step.subject) for each in steps}
            return Known(store.converged.read(), store.peaks.read(), seconds)
    except (NotFound, Refused):
        return Known()


async def observe(see: Eyes, desired: DesiredState) -> ObservedState:
    """Look at everything, and ask sources how large what is missing is."""
    observed = await see.observer.look(desired)
    missing = [
        each
        for each in desired.weights
        if observed.seen_weights(each.key).state is WeightsState.ABSENT
    ]
    return msgspec.structs.replace(observed, downloads=await download_sizes(missing))
