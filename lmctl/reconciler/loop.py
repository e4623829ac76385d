"""The loop: wake, read, observe, plan, act, record, sleep.

It is level-triggered: every turn looks at everything again, so a missed bell costs time, never
correctness. A bundle with a problem changes nothing: the last good one stays desired.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lmctl.base.diagnostics import Diagnostic
from lmctl.planning.conditions import Condition, Progress, conditions
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import Plan
from lmctl.planning.planner import make_plan
from lmctl.reconciler.execute import Executor

RESYNC = 60.0  # seconds after which a turn is due although nobody rang


@dataclass(frozen=True, slots=True)
class Reading:
    """What the manifests say now: desired is the last good one, problems are of the newest.

    Without any good one nothing is known to be wanted, so nothing is touched.
    """

    desired: DesiredState | None
    problems: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """The last turn, for whoever asks how things are."""

    reading: Reading
    observed: ObservedState
    plan: Plan
    conditions: tuple[Condition, ...]


class Reconciler:
    """Runs turns, one at a time, for as long as it lives.

    `read` and `observe` are asked once a turn; `record` is told the result of each.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Awaitable[Reading]],
        observe: Callable[[DesiredState], Awaitable[ObservedState]],
        executor: Executor,
        progress: Callable[[], dict[str, Progress]],
        record: Callable[[Turn], None],
        bell: asyncio.Event,
    ) -> None:
        self._read = read
        self._observe = observe
        self._executor = executor
        self._progress = progress
        self._record = record
        self._bell = bell
        self.last: Turn | None = None

    def wake(self) -> None:
        """Ask for another turn. Many rings before the next turn make one turn."""
        self._bell.set()

    async def run(self) -> None:
        """Turn for ever."""
        while True:
            self._bell.clear()
            pause = await self.turn()
            try:
                async with asyncio.timeout(pause):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def turn(self) -> float:
        """One pass. Returns how long to sleep if nobody rings, in seconds."""
        reading = await self._read()
        desired = reading.desired
        observed = await self._observe(desired or DesiredState(0))
        plan = make_plan(desired, observed) if desired is not None else Plan(0)
        pause = self._executor.settle(plan)
        self.last = Turn(reading, observed, plan, self.conditions(reading, observed, plan))
        self._record(self.last)
        return min(RESYNC, pause if pause is not None else RESYNC)

    def conditions(
        self, reading: Reading, observed: ObservedState, plan: Plan
    ) -> tuple[Condition, ...]:
        """Judge every object with the progress of this very moment."""
        if reading.desired is None:
            return ()
        return conditions(
            reading.desired,
            observed,
            plan,
            outcomes=self._executor.outcomes,
            progress=self._progress(),
        )
