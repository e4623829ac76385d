"""Runner processes: started, found again, watched until they stop loading."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from lmctl.actuators.proving import Ask
from lmctl.adapters.processes import Identity, Processes, identity_of
from lmctl.adapters.runner_folders import RunnerFolder, all_folders, folder_of
from lmctl.adapters.runtimes.folders import Launch
from lmctl.base.errors import LmctlError
from lmctl.base.faults import point
from lmctl.base.spec import Phase, RunnerSpec, RunnerStatus, WeightFile
from lmctl.planning.conditions import Progress
from lmctl.planning.desired import WantedInstance
from lmctl.planning.rollout import attempt_of
from lmctl.planning.wanted_runtimes import Build
from lmctl.planning.weights_values import StoredFile

StoredFiles = Callable[[str], tuple[tuple[StoredFile, Path], ...]]
Report = Callable[[Progress], None]

START_DEADLINE = 30.0  # seconds until a new process must answer on its socket
_TICK = 0.02


@dataclass(frozen=True, slots=True)
class RunnerCalls:
    """What can be asked of a runner, by socket."""

    watch: Callable[[str], AsyncGenerator[RunnerStatus, None]]
    drain: Callable[[str, float], Awaitable[RunnerStatus]]
    ask: Ask
    open: Callable[[str], Awaitable[RunnerStatus]]
    rename: Callable[[str, str], Awaitable[RunnerStatus]]


@dataclass(frozen=True, slots=True)
class Supplies:
    """What runners are made of: the verified blobs of a weights key, what starts a build of an engine,
    and its variables with secrets in their places.
    """

    files_of: StoredFiles
    launch_of: Callable[[Build | None], Launch]
    filled: Callable[[Launch], Awaitable[dict[str, str]]]


class Runners:
    """The runner processes of this box and their folders; what they read is saved below `prefixes`."""

    def __init__(
        self,
        folder: Path,
        logs: Path,
        prefixes: Path,
        *,
        processes: Processes,
        calls: RunnerCalls,
        supplies: Supplies,
        hang_after: float = 30.0,
    ) -> None:
        self._folder = folder
        self._logs = logs
        self._prefixes = prefixes
        self._processes = processes
        self._calls = calls
        self._supplies = supplies
        self._hang_after = hang_after

    def folder_for(self, want: WantedInstance) -> RunnerFolder:
        """Return the folder of the runner that runs this spec, or where it should be.

        It is found by what its spec says: a daemon that died while renaming left it elsewhere.
        """
        here = folder_of(self._folder, want.name, want.spec_digest)
        for each in (here, *all_folders(self._folder)):
            spec = each.spec()
            if spec and (spec.name, spec.spec_digest) == (want.name, want.spec_digest):
                return each
        return here

    def find(self, uid: str) -> RunnerFolder | None:
        """Return the folder of a runner by its uid."""
        for folder in all_folders(self._folder):
            spec = folder.spec()
            if spec is not None and spec.uid == uid:
                return folder
        return None

    def forget_retired(self, name: str) -> None:
        """Remove what was kept in case the runner that is proven now had failed."""
        for folder in all_folders(self._folder):
            spec = folder.spec()
            if folder.retired and spec is not None and spec.name == name:
                folder.remove()

    def log_of(self, name: str) -> Path:
        """Return where the runner of an instance logs to."""
        return self._logs / f"runner-{name}.log"

    async def found(self, folder: RunnerFolder) -> Identity | None:
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

    async def start(self, folder: RunnerFolder, want: WantedInstance) -> Identity:
        """Start a new runner of this spec in its folder, made afresh."""
        folder.create()
        weights, draft = (
            tuple(_weight_file(folder, *each) for each in self._supplies.files_of(of.key))
            if of
            else ()
            for of in (want.weights, want.draft)
        )
        uid, launch = secrets.token_hex(6), self._supplies.launch_of(want.build)
        spec = RunnerSpec(
            name=want.name,
            uid=uid,
            engine=want.engine,
            model=want.model,
            spec_digest=want.spec_digest,
            weights=weights,
            load=want.load,
            socket=self._socket(want, uid),
            queue=want.queue,
            queue_deadline=want.queue_deadline,
            max_drain=want.max_drain,
            attempt=attempt_of(want),
            prove=True,
            hang_after=self._hang_after,
            draft=draft,
            prefixes=str(self._prefixes),
            python=launch.python,
            environment=launch.environment,
            secrets=launch.secrets,
            build=str(want.build or ""),
        )
        folder.write(spec)
        point("runner.specified")
        return await self.spawn(folder, spec)

    async def spawn(self, folder: RunnerFolder, spec: RunnerSpec) -> Identity:
        """Start a process for the spec that lies in the folder.

        Raises NotFound, Refused and Unreachable for a secret of its runtime that cannot be had.
        """
        launch = Launch(spec.python, spec.environment, spec.secrets)
        environment = await self._supplies.filled(launch)
        python = spec.python or sys.executable
        who = self._processes.start(
            [python, "-m", "lmctl.runner.main", "--spec", str(folder.spec_path)],
            log=self.log_of(spec.name),
            env={"GOMP_SPINCOUNT": spin(), **environment, "LMCTL_LOG": "json"},
        )
        point("runner.started")
        folder.note_process(who)
        point("runner.noted")
        return who

    async def until_settled(
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
                    deadline.reschedule(
                        None
                    )  # it answers: the caller knows how long a load may take
                    if status.phase not in (Phase.STARTING, Phase.LOADING):
                        return status
                    report(Progress(f"loading, {status.progress:.0%}", status.progress, 1.0))
        except LmctlError:
            return None
        return None

    def _socket(self, want: WantedInstance, uid: str) -> str:
        """Return the socket clients are sent to, or another while a renamed runner still has that."""
        for folder in all_folders(self._folder):
            spec, who = folder.spec(), folder.process()
            if spec and spec.socket == want.socket and who and self._processes.alive(who):
                return f"{want.socket.removesuffix('.sock')}-{uid[:4]}.sock"
        return want.socket


def spin() -> str:
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
