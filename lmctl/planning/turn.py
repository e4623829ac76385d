"""One pass of the loop as a value: what was wanted and seen, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lmctl.base.diagnostics import Diagnostic
from lmctl.planning.conditions import Progress, Standing, State
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.outcome import Outcome
from lmctl.planning.pauses import Hold
from lmctl.planning.plan import Plan
from lmctl.planning.planner import make_plan
from lmctl.planning.standings import standings
from lmctl.planning.transitions import Memory, dated
from lmctl.planning.whole import box_standing

_UNREAD = Standing("box", State.RECONCILING, "no manifests were read yet", 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the manifests say now: desired is the last good one, problems are of the newest.

    Without any good one nothing is known to be wanted, so nothing is touched. `due` are the seconds
    after which it says something else by itself (a suspension ends), None when it never will. With a
    `hold` an earlier generation is desired.
    """

    desired: DesiredState | None
    problems: tuple[Diagnostic, ...] = ()
    due: float | None = None
    hold: Hold | None = None

    @property
    def broken(self) -> bool:
        return any(each.fatal for each in self.problems)


@dataclass(frozen=True, slots=True)
class Turn:
    """A reading, a look, the plan between them, and how each object stands."""

    reading: Reading
    observed: ObservedState = field(default_factory=ObservedState)
    plan: Plan = field(default_factory=lambda: Plan(0))
    standings: tuple[Standing, ...] = ()
    box: Standing = _UNREAD

    @property
    def desired(self) -> DesiredState | None:
        return self.reading.desired

    @property
    def generation(self) -> int:
        return self.reading.desired.generation if self.reading.desired else 0

    def judged(self, outcomes: Mapping[str, Outcome], progress: Mapping[str, Progress]) -> "Turn":
        """Return the same turn with every object judged by these endings and this progress."""
        found: tuple[Standing, ...] = ()
        if self.desired is not None:
            found = standings(
                self.desired, self.observed, self.plan, outcomes=outcomes, progress=progress
            )
        box = box_standing(self.desired, self.reading.problems, found, self.plan)
        return replace(self, standings=found, box=box)

    def dated(self, memory: Memory) -> "Turn":
        """Return the same turn with what is remembered of each object."""
        (box, *found) = dated((self.box, *self.standings), memory)
        return replace(self, standings=tuple(found), box=box)


def planned(reading: Reading, observed: ObservedState) -> Turn:
    """Return the plan, with nothing judged yet."""
    plan = make_plan(reading.desired, observed) if reading.desired is not None else Plan(0)
    return Turn(reading, observed, plan)


def take_turn(reading: Reading, observed: ObservedState) -> Turn:
    """Plan and judge; nothing has been tried yet."""
    return planned(reading, observed).judged({}, {})
