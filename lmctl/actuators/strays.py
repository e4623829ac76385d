"""Ends processes of this home that nobody keeps track of."""

from collections.abc import Callable
from typing import Final

from lmctl.adapters.processes import Identity, Processes
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.end_stray import EndStray
from lmctl.planning.outcome import Done, Failed, Outcome

Report = Callable[[Progress], None]

GRACE: Final = 35.0
"""Seconds for what it still answers; a runner drains for 30 by default."""


class StrayActuator:
    """Knows a process by its pid and start time, so that no other one is hit."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def end(self, step: EndStray, report: Report) -> Outcome:
        """Return once it is gone."""
        who = Identity(step.pid, step.started_at)
        report(Progress("ending it"))
        if step.kill:
            self._processes.kill(who)
            gone = await self._processes.wait(who, seconds=GRACE)
        else:
            await self._processes.end(who, grace=GRACE)
            gone = not self._processes.alive(who)
        if not gone:
            return Failed(f"process {step.pid} does not end", FailureKind.TRANSIENT)
        return Done(f"process {step.pid} is gone")
