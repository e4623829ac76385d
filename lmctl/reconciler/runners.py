"""What the runners of this box say of themselves, and a bell when one of them changes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import msgspec

from lmctl.adapters.processes import Processes, identity_of
from lmctl.adapters.runner_folders import RunnerFolder, all_folders
from lmctl.base.errors import LmctlError
from lmctl.base.spec import FailureKind, Phase, RunnerSpec, RunnerStatus
from lmctl.planning.observed import SeenRunner

AskStatus = Callable[[str], Awaitable[RunnerStatus]]
Watch = Callable[[str], AsyncGenerator[RunnerStatus, None]]


async def look_at_runners(
    runners: Path, processes: Processes, ask: AskStatus
) -> tuple[SeenRunner, ...]:
    """Ask every runner there is; one that does not answer is STARTING while its process lives."""
    folders = list(all_folders(runners))
    seen = await asyncio.gather(*(_look(each, processes, ask) for each in folders))
    return tuple(each for each in seen if each is not None)


async def _look(folder: RunnerFolder, processes: Processes, ask: AskStatus) -> SeenRunner | None:
    spec = folder.spec()
    if spec is None:
        return None  # it is being made, or was when the daemon died: nothing runs from it
    seen = await _seen(folder, spec, processes, ask)
    return msgspec.structs.replace(
        seen, proven=folder.proven(), tried_for=spec.generation, retired=folder.retired
    )


async def _seen(
    folder: RunnerFolder, spec: RunnerSpec, processes: Processes, ask: AskStatus
) -> SeenRunner:
    try:
        status = await ask(spec.socket)
    except LmctlError:
        return _without_answer(folder, spec, processes)
    if status.uid != spec.uid:
        return _without_answer(folder, spec, processes)
    return _with_answer(spec, status)


def _with_answer(spec: RunnerSpec, status: RunnerStatus) -> SeenRunner:
    who = identity_of(status.pid)
    return SeenRunner(
        name=spec.name,
        uid=spec.uid,
        spec_digest=status.spec_digest,
        phase=status.phase,
        model=spec.model,
        pid=status.pid,
        weights=status.weights,
        load=spec.load,
        max_drain=spec.max_drain,
        socket=spec.socket,
        progress=status.progress,
        memory=status.memory,
        running=status.running,
        queued=status.queued,
        parallel=status.parallel,
        tokens=status.tokens,
        requests=status.requests,
        started_at=who.started_at if who else status.started_at,
        reason=status.reason,
        failure=status.failure,
    )


def _without_answer(folder: RunnerFolder, spec: RunnerSpec, processes: Processes) -> SeenRunner:
    who, failure = folder.process(), folder.failure()
    alive = who is not None and processes.alive(who)
    phase, reason, kind = Phase.STARTING, "does not answer yet", None
    if not alive:
        phase, kind = Phase.FAILED, failure.kind if failure else FailureKind.BUG
        reason = failure.reason if failure else f"its process {_ending(folder, processes)}"
    return SeenRunner(
        name=spec.name,
        uid=spec.uid,
        spec_digest=spec.spec_digest,
        phase=phase,
        model=spec.model,
        pid=who.pid if who and alive else 0,
        load=spec.load,
        max_drain=spec.max_drain,
        socket=spec.socket,
        started_at=who.started_at if who else 0.0,
        reason=reason,
        failure=kind,
    )


def _ending(folder: RunnerFolder, processes: Processes) -> str:
    who = folder.process()
    return processes.ending(who) if who else "was never started"


class RunnerBells:
    """Keeps one watch per live runner and rings when a phase changes or a runner is gone.

    A runner's socket closes with its process, so a death is noticed at once, whoever started it.
    """

    def __init__(self, watch: Watch, ring: Callable[[], None]) -> None:
        self._watch = watch
        self._ring = ring
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, seen: tuple[SeenRunner, ...]) -> None:
        """Watch exactly these runners from now on.

        One that does not answer yet is left to the step that loads it: asking it again and again
        from here would be a busy loop.
        """
        wanted = {
            each.socket: each for each in seen if each.pid and each.phase is not Phase.STARTING
        }
        for socket in self._tasks.keys() - wanted.keys():
            self._tasks.pop(socket).cancel()
        for socket in wanted.keys() - self._tasks.keys():
            task = asyncio.get_running_loop().create_task(self._follow(socket))
            self._tasks[socket] = task
            task.add_done_callback(partial(self._gone, socket))

    async def stop(self) -> None:
        """End every watch."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, socket: str) -> None:
        phase: Phase | None = None
        try:
            async with aclosing(self._watch(socket)) as statuses:
                async for status in statuses:
                    if phase is not None and status.phase is not phase:
                        self._ring()
                    phase = status.phase
        except LmctlError:
            return

    def _gone(self, socket: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(socket) is task:
            del self._tasks[socket]
            if not task.cancelled():
                self._ring()
