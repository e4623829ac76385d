"""What the runners of this box say of themselves, and a bell when one of them changes.

One that does not answer once is not gone: its last word counts until it has missed several health
checks in a row. One that never answered is starting.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
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


class RunnerEyes:
    """Looks at every runner there is. `silence` says how one fell silent, by its uid; `damaged` when a
    file was found to have other bytes, by its sha256.
    """

    def __init__(
        self,
        runners: Path,
        processes: Processes,
        ask: AskStatus,
        *,
        silence: Callable[[str], str] = lambda _uid: "",
        damaged: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._damaged = damaged
        self._runners = runners
        self._processes = processes
        self._ask = ask
        self._silence = silence
        self._last: dict[str, RunnerStatus] = {}

    async def look(self) -> tuple[SeenRunner, ...]:
        """Ask them all, side by side."""
        folders = list(all_folders(self._runners))
        damaged = self._damaged()
        seen = await asyncio.gather(*(self._look(each, damaged) for each in folders))
        found = tuple(each for each in seen if each is not None)
        there = {each.uid for each in found}
        self._last = {uid: status for uid, status in self._last.items() if uid in there}
        return found

    async def _look(self, folder: RunnerFolder, damaged: Mapping[str, float]) -> SeenRunner | None:
        spec = folder.spec()
        if spec is None:
            return None  # it is being made, or was when the daemon died: nothing runs from it
        seen = await self._seen(folder, spec)
        return msgspec.structs.replace(
            seen,
            proven=folder.proven(),
            attempt=spec.attempt if folder.tried else "",
            retired=folder.retired and seen.phase is Phase.FAILED,
            spoiled=any(seen.started_at <= damaged.get(each, 0.0) for each in seen.weights),
        )

    async def _seen(self, folder: RunnerFolder, spec: RunnerSpec) -> SeenRunner:
        status = await self._answer(spec)
        if status is not None:
            self._last[spec.uid] = status
            return _with_answer(spec, status)
        who, last = folder.process(), self._last.get(spec.uid)
        if last is None or who is None or who.pid != last.pid or not self._processes.alive(who):
            return _without_answer(folder, spec, self._processes)
        silence = self._silence(spec.uid)
        return msgspec.structs.replace(
            _with_answer(spec, last), hung=silence or last.hung or "", silent=bool(silence)
        )

    async def _answer(self, spec: RunnerSpec) -> RunnerStatus | None:
        try:
            status = await self._ask(spec.socket)
        except LmctlError:
            return None
        return status if status.uid == spec.uid else None


def _with_answer(spec: RunnerSpec, status: RunnerStatus) -> SeenRunner:
    who = identity_of(status.pid)
    return SeenRunner(
        name=spec.name,
        uid=spec.uid,
        spec_digest=status.spec_digest,
        phase=status.phase,
        model=spec.model,
        engine=spec.engine,
        build=spec.build,
        pid=status.pid,
        weights=status.weights,
        load=spec.load,
        max_drain=spec.max_drain,
        socket=spec.socket,
        progress=status.progress,
        memory=status.memory,
        memory_peak=status.memory_peak,
        memory_loaded=status.memory_loaded,
        widest_step=status.widest_step,
        running=status.running,
        queued=status.queued,
        parallel=status.parallel,
        tokens=status.tokens,
        requests=status.requests,
        started_at=who.started_at if who else status.started_at,
        reason=status.reason,
        failure=status.failure,
        hung=status.hung or "",
        idle=status.idle,
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
        engine=spec.engine,
        build=spec.build,
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
        before: tuple[Phase, str | None] | None = None
        try:
            async with aclosing(self._watch(socket)) as statuses:
                async for status in statuses:
                    now = (status.phase, status.hung)
                    if before is not None and now != before:
                        self._ring()
                    before = now
        except LmctlError:
            return

    def _gone(self, socket: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(socket) is task:
            del self._tasks[socket]
            if not task.cancelled():
                self._ring()
