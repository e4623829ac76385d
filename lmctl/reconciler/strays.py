"""Which processes of this home nobody keeps track of: left by a dead daemon, or started by hand."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lmctl.adapters.processes import Identity, Processes
from lmctl.adapters.strays import MarkedGateway, MarkedRunner, marked_gateways, marked_runners
from lmctl.planning.observed import SeenGateway, SeenRunner, SeenStray

GRACE: Final = 5.0
"""Seconds a new process has to be written down by whoever started it."""


class StrayEyes:
    """Looks through all processes once a period, and again while there are strays. `clock` is unix
    time, for that is what processes are dated by.
    """

    def __init__(
        self,
        runners: Path,
        run: Path,
        processes: Processes,
        *,
        clock: Callable[[], float],
        period: float = 0.0,
    ) -> None:
        self._runners = runners
        self._run = run
        self._processes = processes
        self._clock = clock
        self._period = period
        self._looked_at = 0.0
        self._found: tuple[SeenStray, ...] = ()

    async def look(
        self, runners: tuple[SeenRunner, ...], gateway: SeenGateway | None
    ) -> tuple[SeenStray, ...]:
        """Return the strays; `runners` and `gateway` are those that are known."""
        if not self._found and self._clock() - self._looked_at < self._period:
            return ()
        self._looked_at = self._clock()
        known = {each.pid for each in runners} | ({gateway.pid} if gateway else set())
        self._found = tuple(await asyncio.to_thread(lambda: list(self._look(known))))
        return self._found

    def gateway(self) -> MarkedGateway | None:
        """Return the newest living gateway of ours, for when its note is lost."""
        found = sorted(marked_gateways(self._run), key=lambda each: each.who.started_at)
        return found[-1] if found else None

    def _look(self, known: set[int]) -> Iterator[SeenStray]:
        marked: list[MarkedRunner | MarkedGateway] = [*marked_runners(self._runners)]
        marked += marked_gateways(self._run)
        for each in marked:
            if each.who.pid not in known and self._clock() - each.who.started_at >= GRACE:
                yield self._seen(each.who, each)

    def _seen(self, who: Identity, marked: MarkedRunner | MarkedGateway) -> SeenStray:
        what = f"runner {marked.folder.name}" if isinstance(marked, MarkedRunner) else "gateway"
        return SeenStray(who.pid, who.started_at, what, stopped=self._processes.stopped(who))
