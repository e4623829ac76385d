"""The loop: wake, read, observe, plan, act, record, sleep.

It is level-triggered: every turn looks at everything again, so a missed bell costs time, never
correctness. A bundle with a problem changes nothing: the last good one stays desired.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import inf

from lmctl.planning.conditions import Progress
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.outcome import Outcome
from lmctl.planning.turn import Reading, Turn, planned
from lmctl.reconciler.bell import Bell
from lmctl.reconciler.execute import Executor

AFTER_TROUBLE = 5.0  # seconds after a turn that broke
LONGEST_REST = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class _Judged:
    """A turn, what it was judged by, and what came out."""

    last: Turn
    outcomes: Mapping[str, Outcome]
    progress: Mapping[str, Progress]
    turn: Turn


class Reconciler:
    """Runs turns, one at a time, for as long as it lives.

    `read` and `observe` are asked once a turn; `record` is told the result of each, and `broke` what
    ended one early.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Awaitable[Reading]],
        observe: Callable[[DesiredState], Awaitable[ObservedState]],
        executor: Executor,
        progress: Callable[[], dict[str, Progress]],
        record: Callable[[Turn], None],
        broke: Callable[[Exception], None],
        bell: Bell,
    ) -> None:
        self._read = read
        self._observe = observe
        self._executor = executor
        self._progress = progress
        self._record = record
        self._broke = broke
        self._bell = bell
        self.last: Turn | None = None
        self._judged: _Judged | None = None
        # Held during a turn: whoever holds it has a box in which nothing is begun meanwhile.
        self.turning = asyncio.Lock()

    async def run(self) -> None:
        """Turn for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            self._bell.clear()
            try:
                pause = await self.turn()
            except Exception as error:  # noqa: BLE001 # a full disk must not end the control plane
                self._broke(error)
                pause = AFTER_TROUBLE
            if self._executor.running:
                # Half of the time is left to the steps, and what many tell meanwhile is one turn.
                await asyncio.sleep(min(clock() - begun, LONGEST_REST))
            await self._bell.wait(pause)

    async def turn(self) -> float:
        """One pass. Returns how long to sleep at most if nobody rings, in seconds."""
        async with self.turning:
            return await self._turn()

    async def _turn(self) -> float:
        reading = await self._read()
        turn = planned(reading, await self._observe(reading.desired or DesiredState(0)))
        pause = self._executor.settle(turn.plan)
        self.last = turn
        self._record(self.now())
        return min((each for each in (pause, reading.due) if each is not None), default=inf)

    def now(self) -> Turn:
        """Return the last turn, its objects judged by the progress of this very moment.

        The same value as before while nothing is new: whoever follows the box asks often.
        """
        if self.last is None:
            return Turn(Reading(None))
        outcomes, progress = self._executor.outcomes, self._progress()
        was = self._judged
        if (
            was is None
            or was.last is not self.last
            or (was.outcomes, was.progress) != (outcomes, progress)
        ):
            was = _Judged(self.last, outcomes, progress, self.last.judged(outcomes, progress))
            self._judged = was
        return was.turn
