"""Loads and unloads instances: one runner process each."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from lmctl.adapters.processes import Identity, Processes, identity_of
from lmctl.adapters.runner_folders import RunnerFolder, all_folders, folder_of
from lmctl.base.errors import LmctlError
from lmctl.base.quantities import format_duration, format_size
from lmctl.base.spec import FailureKind, Phase, RunnerSpec, RunnerStatus, WeightFile
from lmctl.planning.conditions import Progress
from lmctl.planning.desired import WantedInstance
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled
from lmctl.planning.plan import LoadInstance, RenameInstance, RestoreInstance, UnloadInstance
from lmctl.planning.rollout import checks_digest
from lmctl.planning.weights_values import StoredFile

StoredFiles = Callable[[str], tuple[tuple[StoredFile, Path], ...]]
Report = Callable[[Progress], None]

START_DEADLINE = 30.0  # seconds until a new process must answer on its socket
_TICK = 0.02
_KILL_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class RunnerCalls:
    """What can be asked of a runner, by socket."""

    watch: Callable[[str], AsyncGenerator[RunnerStatus, None]]
    drain: Callable[[str, float], Awaitable[RunnerStatus]]


class InstanceActuator:
    """Starts, adopts and ends runners. `files_of` gives the verified blobs of a weights key."""

    def __init__(
        self,
        runners: Path,
        logs: Path,
        *,
        processes: Processes,
        calls: RunnerCalls,
        files_of: StoredFiles,
        clock: Callable[[], float],
        hang_after: float = 30.0,
    ) -> None:
        self._runners = runners
        self._logs = logs
        self._processes = processes
        self._calls = calls
        self._files_of = files_of
        self._clock = clock
        self._hang_after = hang_after

    async def load(self, step: LoadInstance, report: Report) -> Outcome:
        """Return once the runner is ready; adopts one that is already starting."""
        began = self._clock()
        want = step.instance
        folder = folder_of(self._runners, want.name, want.spec_digest)
        who = await self._found(folder) or self._start(folder, want, step.generation)
        report(Progress("starting its runner"))
        status = await self._until_settled(want.socket, who, report)
        if status is None or status.phase is not Phase.READY:
            return await self._failed(folder, who, status)
        folder.note_proven(checks_digest(want))
        self._forget_retired(want.name)
        took = format_duration(self._clock() - began)
        return Done(f"loaded in {took}, {format_size(status.memory)}, pid {status.pid}")

    async def unload(self, step: UnloadInstance, report: Report) -> Outcome:
        """Return once the runner's process is gone and its memory back."""
        folder = self._find(step.uid)
        if folder is None:
            return Done("already gone")
        spec, who = folder.spec(), folder.process()
        if step.kill and who is not None:
            self._processes.kill(who)
        elif spec is not None:
            report(Progress(f"draining, at most {format_duration(step.max_drain)}"))
            who = await self._drain(spec, step.max_drain) or who
        if who is not None and not await self._processes.wait(
            who, seconds=step.max_drain + _KILL_GRACE
        ):
            self._processes.signal(who, signal.SIGKILL)
            await self._processes.wait(who, seconds=_KILL_GRACE)
        if step.retire:
            folder.retire()
            return Done("unloaded, to come back if its replacement fails")
        folder.remove()
        return Done("unloaded")

    async def rename(self, step: RenameInstance, _report: Report) -> Outcome:
        """Return once the runner's folder has the new name; its process and socket stay."""
        folder = self._find(step.uid)
        if folder is None:
            return Failed(f"the runner of {step.before} is gone", FailureKind.TRANSIENT)
        folder.rename(step.name)
        return Done(f"the runner of {step.before} is that of {step.name} now")

    async def restore(self, step: RestoreInstance, report: Report) -> Outcome:
        """Return once the runner that was retired is ready again."""
        folder = self._find(step.uid)
        spec = folder.spec() if folder is not None else None
        if folder is None or spec is None:
            return Stalled(f"nothing is left of the runner that {step.name} had before")
        who = await self._found(folder) or self._spawn(folder, spec)
        folder.revive()
        report(Progress("starting the runner it had before"))
        status = await self._until_settled(spec.socket, who, report)
        if status is None or status.phase is not Phase.READY:
            return await self._failed(folder, who, status)
        return Done(f"the runner it had before serves again, pid {status.pid}")

    async def _found(self, folder: RunnerFolder) -> Identity | None:
        """Return the process that already runs this spec: by what was written, or by its answer.

        A daemon that died right after starting it had no time to write, and nor perhaps had it.
        """
        who, spec = folder.process(), folder.spec()
        if who is not None and self._processes.alive(who):
            return who
        if spec is None:
            return None
        try:
            async with aclosing(self._calls.watch(spec.socket)) as statuses:
                async for status in statuses:
                    return identity_of(status.pid) if status.uid == spec.uid else None
        except LmctlError:
            return None
        return None

    async def _drain(self, spec: RunnerSpec, seconds: float) -> Identity | None:
        try:
            status = await self._calls.drain(spec.socket, seconds)
        except LmctlError:
            return None  # it does not answer; its process is ended by pid
        return identity_of(status.pid) if status.uid == spec.uid else None

    def _start(self, folder: RunnerFolder, want: WantedInstance, generation: int) -> Identity:
        folder.create()
        weights = tuple(
            _weight_file(folder, stored, blob) for stored, blob in self._files_of(want.weights.key)
        )
        spec = RunnerSpec(
            name=want.name,
            uid=secrets.token_hex(6),
            engine=want.engine,
            model=want.model,
            spec_digest=want.spec_digest,
            weights=weights,
            load=want.load,
            socket=want.socket,
            queue=want.queue,
            queue_deadline=want.queue_deadline,
            max_drain=want.max_drain,
            generation=generation,
            hang_after=self._hang_after,
        )
        folder.write(spec)
        return self._spawn(folder, spec)

    def _spawn(self, folder: RunnerFolder, spec: RunnerSpec) -> Identity:
        who = self._processes.start(
            [sys.executable, "-m", "lmctl.runner.main", "--spec", str(folder.spec_path)],
            log=self._logs / f"runner-{spec.name}.log",
            env={"LMCTL_LOG": "json", "GOMP_SPINCOUNT": _spin()},
        )
        folder.note_process(who)
        return who

    async def _until_settled(
        self, socket: str, who: Identity, report: Report
    ) -> RunnerStatus | None:
        """Return the status in which it stopped loading, or None when its process is gone."""
        try:
            async with asyncio.timeout(START_DEADLINE) as deadline:
                while self._processes.alive(who):
                    status = await self._follow(socket, deadline, report)
                    if status is not None:
                        return status
                    await asyncio.sleep(_TICK)
        except TimeoutError:
            return None
        return None

    async def _follow(
        self, socket: str, deadline: asyncio.Timeout, report: Report
    ) -> RunnerStatus | None:
        """Watch one connection; None when it ended before the load did."""
        try:
            async with aclosing(self._calls.watch(socket)) as statuses:
                async for status in statuses:
                    deadline.reschedule(None)  # it answers: a load takes what it takes
                    if status.phase not in (Phase.STARTING, Phase.LOADING):
                        return status
                    report(Progress(f"loading, {status.progress:.0%}", status.progress, 1.0))
        except LmctlError:
            return None
        return None

    async def _failed(
        self, folder: RunnerFolder, who: Identity, status: RunnerStatus | None
    ) -> Outcome:
        await self._processes.end(who, grace=_KILL_GRACE)
        failure = folder.failure()
        kind = failure.kind if failure else FailureKind.BUG
        reason = failure.reason if failure else f"its runner {self._processes.ending(who)}"
        if status is not None and status.reason:
            kind, reason = status.failure or kind, status.reason
        if kind is FailureKind.CONFIG:
            return Stalled(reason)
        return Failed(reason, kind)

    def _forget_retired(self, name: str) -> None:
        """Remove what was kept in case the runner that is proven now had failed."""
        for folder in all_folders(self._runners):
            spec = folder.spec()
            if folder.retired and spec is not None and spec.name == name:
                folder.remove()

    def _find(self, uid: str) -> RunnerFolder | None:
        for folder in all_folders(self._runners):
            spec = folder.spec()
            if spec is not None and spec.uid == uid:
                return folder
        return None


def _spin() -> str:
    """Return how long an engine thread spins at a barrier before it sleeps.

    libgomp's default assumes that every core is its own: beside one busy process two threads fell
    from 75 to a few tokens/s, at 1000 they keep about 30 and lose a tenth when alone (measured).
    """
    return os.environ.get("GOMP_SPINCOUNT", "1000")


def _weight_file(folder: RunnerFolder, stored: StoredFile, blob: Path) -> WeightFile:
    return WeightFile(
        name=stored.name,
        path=str(folder.link(stored.name, blob)),
        sha256=stored.sha256,
        size=stored.size,
        mtime_ns=stored.mtime_ns,
        inode=stored.inode,
    )
