"""Loads and unloads instances: one runner process each, proven before clients reach it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from lmctl.actuators.proving import Disproved, passes_checks, says_something
from lmctl.actuators.starting import Report, RunnerCalls, Runners
from lmctl.adapters.processes import Identity, Processes, identity_of
from lmctl.adapters.runner_folders import Failure, RunnerFolder
from lmctl.base.errors import LmctlError
from lmctl.base.faults import point
from lmctl.base.quantities import format_duration, format_size
from lmctl.base.spec import FailureKind, Phase, RunnerSpec, RunnerStatus
from lmctl.planning.conditions import Progress
from lmctl.planning.desired import WantedInstance
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled
from lmctl.planning.plan import LoadInstance, RenameInstance, RestoreInstance, UnloadInstance
from lmctl.planning.rollout import checks_digest

RESTORE_DEADLINE = 600.0  # seconds a runner that served before may take to load again
_KILL_GRACE = 5.0


class InstanceActuator:
    """Starts, adopts, proves, renames and ends runners."""

    def __init__(
        self,
        runners: Runners,
        *,
        processes: Processes,
        calls: RunnerCalls,
        clock: Callable[[], float],
    ) -> None:
        self._runners = runners
        self._processes = processes
        self._calls = calls
        self._clock = clock

    async def load(self, step: LoadInstance, report: Report) -> Outcome:
        """Return once the runner is proven and open to clients; adopts one that is there already.

        One that fails is ended, unless it serves: then only its checks were edited, and that they
        fail is told.
        """
        began = self._clock()
        want = step.instance
        folder = self._runners.folder_for(want)
        who = await self._runners.found(folder) or await self._runners.start(folder, want)
        report(Progress("starting its runner"))
        status = await self._settled(folder, who, report, seconds=want.max_load)
        if isinstance(status, Failure):
            return await self._give_up(folder, who, status)
        serving = status.phase is Phase.READY
        point("runner.loaded")
        try:
            await self._prove(folder, want, report, fresh=None if serving else status)
            point("runner.proven")
            status = await self._open(folder, status)
            point("runner.opened")
        except Disproved as error:
            if serving:
                return _outcome(error.kind, f"{error}; it goes on serving")
            return await self._give_up(folder, who, Failure(error.kind, str(error)))
        except LmctlError:
            return await self._give_up(folder, who, self._failure(folder, who, None))
        self._runners.forget_retired(want.name)
        took = format_duration(self._clock() - began)
        if serving:
            return Done(f"proven by {len(want.checks)} checks in {took}")
        return Done(f"loaded in {took}, {format_size(status.memory)}, pid {status.pid}")

    async def unload(self, step: UnloadInstance, report: Report) -> Outcome:
        """Return once the runner's process is gone and its memory back."""
        folder = self._runners.find(step.uid)
        if folder is None:
            return Done("already gone")
        spec, who = folder.spec(), folder.process()
        if step.retire:
            folder.mark_retired()  # whoever sees it gone from now on knows that it may come back
        if step.kill and who is not None:
            self._processes.kill(who)
        elif spec is not None:
            report(Progress(f"draining, at most {format_duration(step.max_drain)}"))
            who = await self._drain(spec, step.max_drain) or who
            point("runner.drained")
        if who is not None and not await self._processes.wait(
            who, seconds=step.max_drain + _KILL_GRACE
        ):
            self._processes.signal(who, signal.SIGKILL)
            await self._processes.wait(who, seconds=_KILL_GRACE)
        point("runner.gone")
        if step.retire:
            folder.retire()
            return Done("unloaded, to come back if its replacement fails")
        folder.remove()
        return Done("unloaded")

    async def rename(self, step: RenameInstance, _report: Report) -> Outcome:
        """Return once the runner goes by the new name, in its folder, its log and its own words;
        its process and socket stay.
        """
        folder = self._runners.find(step.uid)
        spec = folder.spec() if folder is not None else None
        if folder is None or spec is None:
            return Failed(f"the runner of {step.before} is gone", FailureKind.TRANSIENT)
        await self._calls.rename(spec.socket, step.name)
        old, new = (self._runners.log_of(name) for name in (step.before, step.name))
        if old.exists() and not new.exists():
            old.rename(new)
        folder.rename(step.name)
        return Done(f"the runner of {step.before} is that of {step.name} now")

    async def restore(self, step: RestoreInstance, report: Report) -> Outcome:
        """Return once the runner that was retired serves again."""
        folder = self._runners.find(step.uid)
        spec = folder.spec() if folder is not None else None
        if folder is None or spec is None:
            return Stalled(f"nothing is left of the runner that {step.name} had before")
        who = await self._runners.found(folder) or await self._runners.spawn(folder, spec)
        folder.revive()
        report(Progress("starting the runner it had before"))
        status = await self._settled(folder, who, report, seconds=RESTORE_DEADLINE)
        if isinstance(status, Failure):
            return await self._give_up(folder, who, status)
        status = await self._open(folder, status)
        return Done(f"the runner it had before serves again, pid {status.pid}")

    async def _settled(
        self, folder: RunnerFolder, who: Identity, report: Report, *, seconds: float
    ) -> RunnerStatus | Failure:
        """Return how the runner is once it is loaded, or why it is not."""
        last = Progress("starting its runner")

        def noted(progress: Progress) -> None:
            nonlocal last
            last = progress
            report(progress)

        try:
            async with asyncio.timeout(seconds):
                status = await self._runners.until_settled(_socket(folder), who, noted)
        except TimeoutError:
            reason = f"not loaded within {format_duration(seconds)} (it was {last.text})"
            return Failure(FailureKind.TRANSIENT, reason)
        if status is not None and status.phase in (Phase.PROVING, Phase.READY):
            return status
        if status is not None and status.phase is Phase.DRAINING:
            return Failure(FailureKind.TRANSIENT, "it was told to end while it was loading")
        return self._failure(folder, who, status)

    async def _prove(
        self,
        folder: RunnerFolder,
        want: WantedInstance,
        report: Report,
        *,
        fresh: RunnerStatus | None,
    ) -> None:
        """Return once it is proven, and that is written down; `fresh` is how it is if it has never
        answered. Raises Disproved.
        """
        if folder.proven() == checks_digest(want):
            return  # by a daemon that had no time to say so
        socket = _socket(folder)
        if fresh is not None:
            report(Progress("proving: its first token"))
            try:
                async with asyncio.timeout(want.max_load):
                    first = says_something(self._calls.ask, socket, fresh.kind)
                    await self._unless_it_hangs(socket, first)
            except TimeoutError:
                limit = format_duration(want.max_load)
                reason = f"it loaded and said no token within {limit}"
                raise Disproved(reason, kind=FailureKind.TRANSIENT) from None
        checks = passes_checks(self._calls.ask, socket, want, report)
        await self._unless_it_hangs(socket, checks)
        folder.note_proven(checks_digest(want))

    async def _unless_it_hangs(self, socket: str, proof: Coroutine[Any, Any, None]) -> None:
        """Return when the proof is there. Raises Disproved as soon as the runner calls itself hung."""
        proving = asyncio.ensure_future(proof)
        hanging = asyncio.ensure_future(self._hung(socket))
        try:
            await asyncio.wait({proving, hanging}, return_when=asyncio.FIRST_COMPLETED)
            if not proving.done() and (words := hanging.result()):
                raise Disproved(f"it hangs: {words}", kind=FailureKind.TRANSIENT)
            await proving
        finally:
            proving.cancel()
            hanging.cancel()
            await asyncio.wait({proving, hanging})

    async def _hung(self, socket: str) -> str:
        """Return how the runner hangs once it does, nothing once it says no more."""
        try:
            async with aclosing(self._calls.watch(socket)) as statuses:
                async for status in statuses:
                    if status.hung:
                        return status.hung
        except LmctlError:
            return ""
        return ""

    async def _open(self, folder: RunnerFolder, status: RunnerStatus) -> RunnerStatus:
        if status.phase is Phase.READY:
            return status
        return await self._calls.open(_socket(folder))

    async def _drain(self, spec: RunnerSpec, seconds: float) -> Identity | None:
        try:
            status = await self._calls.drain(spec.socket, seconds)
        except LmctlError:
            return None  # it does not answer; its process is ended by pid
        return identity_of(status.pid) if status.uid == spec.uid else None

    async def _give_up(self, folder: RunnerFolder, who: Identity, failure: Failure) -> Outcome:
        """End a runner that failed, and leave its reason for whoever looks next."""
        if folder.failure() != failure:
            folder.note_failure(failure)
        await self._processes.end(who, grace=_KILL_GRACE)
        return _outcome(failure.kind, failure.reason)

    def _failure(self, folder: RunnerFolder, who: Identity, status: RunnerStatus | None) -> Failure:
        """Return why a runner failed: by its own word, by what it wrote, by how it ended."""
        if status is not None and status.reason:
            return Failure(status.failure or FailureKind.BUG, status.reason)
        reason = f"its runner {self._processes.ending(who)}"
        return folder.failure() or Failure(FailureKind.BUG, reason)


def _outcome(kind: FailureKind, reason: str) -> Outcome:
    return Stalled(reason) if kind is FailureKind.CONFIG else Failed(reason, kind)


def _socket(folder: RunnerFolder) -> str:
    spec = folder.spec()
    if spec is None:
        raise LmctlError(f"{folder.path.name} has lost its spec")
    return spec.socket
