"""Watches the processes of a box between turns: who dies, falls silent, hangs or changes phase."""

from collections.abc import Callable, Mapping
from functools import partial

from lmctl.adapters import gateway_process, runner_client
from lmctl.adapters.processes import Identity, Processes
from lmctl.base.errors import LmctlError
from lmctl.base.spec import Phase, RunnerStatus
from lmctl.planning.observed import ObservedState, SeenGateway, SeenRunner
from lmctl.reconciler.health import Check, Deaths, HealthChecks
from lmctl.reconciler.runners import RunnerBells


class Vitals:
    """Follows what a turn saw, until the next one; rings when it is no longer so."""

    def __init__(self, processes: Processes, period: float, ring: Callable[[], None]) -> None:
        self._processes = processes
        self._ring = ring
        self._health = HealthChecks(period, ring)
        self._deaths = Deaths(processes.gone, ring)
        self._bells = RunnerBells(runner_client.watch, ring)

    def silence(self, key: str) -> str:
        """Say how a process fell silent, by a runner's uid or a gateway's key; empty: it did not."""
        return self._health.silence(key)

    def follow(self, observed: ObservedState, budgets: Mapping[str, int]) -> None:
        """Watch exactly what was seen; `budgets` are bytes of memory by the name of an instance."""
        runners = [each for each in observed.runners if each.pid and each.phase in _ANSWER]
        checks: dict[str, Check] = {
            each.uid: partial(self._runner_answers, each, budgets.get(each.name))
            for each in runners
        }
        gateway = observed.gateway
        if gateway is not None:
            checks[gateway.key] = partial(self._gateway_answers, gateway)
        self._health.follow(checks)
        self._bells.follow(observed.runners)
        self._deaths.follow([Identity(gateway.pid, gateway.started_at)] if gateway else ())

    async def run(self) -> None:
        """Ask all of them, for ever."""
        await self._health.run()

    async def stop(self) -> None:
        """Watch nothing any more."""
        await self._bells.stop()
        await self._deaths.stop()

    async def _runner_answers(self, seen: SeenRunner, budget: int | None) -> bool:
        """Ask it; ring when its memory has crossed its budget since the last turn, or it has become
        idle with too much.
        """
        try:
            status = await runner_client.status(seen.socket)
        except LmctlError:
            return False
        if budget is not None and _matters(seen, status, budget):
            self._ring()
        return status.uid == seen.uid

    async def _gateway_answers(self, seen: SeenGateway) -> bool:
        """Ask the workers; a master that was stopped would not start them again."""
        if self._processes.stopped(Identity(seen.pid, seen.started_at)):
            return False
        return all([await gateway_process.answers(each) for each in seen.binds])


# A runner that has not said anything yet is starting, and its loader waits for its first word.
_ANSWER = (Phase.LOADING, Phase.PROVING, Phase.READY, Phase.DRAINING)


def _matters(seen: SeenRunner, status: RunnerStatus, budget: int) -> bool:
    was, now = seen.memory > budget, status.memory > budget
    became_idle = bool(seen.running or seen.queued) and not (status.running or status.queued)
    return was is not now or (now and became_idle)
