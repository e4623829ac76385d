"""One pass of the loop as a value: what was wanted and seen, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lmctl.base.diagnostics import Diagnostic
from lmctl.planning.conditions import Condition, Progress, conditions
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.outcome import Outcome
from lmctl.planning.plan import Plan
from lmctl.planning.planner import make_plan


@dataclass(frozen=True, slots=True)
class Reading:
    """What the manifests say now: desired is the last good one, problems are of the newest.

    Without any good one nothing is known to be wanted, so nothing is touched.
    """

    desired: DesiredState | None
    problems: tuple[Diagnostic, ...] = ()

    @property
    def broken(self) -> bool:
        return any(each.fatal for each in self.problems)


@dataclass(frozen=True, slots=True)
class Turn:
    """A reading, a look, the plan between them, and how each object stands."""

    reading: Reading
    observed: ObservedState = field(default_factory=ObservedState)
    plan: Plan = field(default_factory=lambda: Plan(0))
    conditions: tuple[Condition, ...] = ()

    @property
    def desired(self) -> DesiredState | None:
        return self.reading.desired

    @property
    def generation(self) -> int:
        return self.reading.desired.generation if self.reading.desired else 0

    def judged(self, outcomes: Mapping[str, Outcome], progress: Mapping[str, Progress]) -> "Turn":
        """Return the same turn with every object judged by these endings and this progress."""
        if self.desired is None:
            return self
        found = conditions(
            self.desired, self.observed, self.plan, outcomes=outcomes, progress=progress
        )
        return replace(self, conditions=found)


def take_turn(reading: Reading, observed: ObservedState) -> Turn:
    """Plan and judge; nothing has been tried yet."""
    plan = make_plan(reading.desired, observed) if reading.desired is not None else Plan(0)
    return Turn(reading, observed, plan).judged({}, {})
