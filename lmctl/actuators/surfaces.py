"""Starts and stops the gateway's process, and tells it routes and settings."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from lmctl.adapters.files import write_atomically
from lmctl.adapters.gateway_process import GatewayNote, can_bind, read_note, who_listens
from lmctl.adapters.processes import Identity, Processes, identity_of
from lmctl.adapters.strays import orphaned_workers
from lmctl.base.faults import point
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.desired import WantedGateway
from lmctl.planning.outcome import Done, Failed, Outcome
from lmctl.planning.plan import PublishSurface, StartGateway, StopGateway, SwitchRoute
from lmctl.planning.surface import Surface

Report = Callable[[Progress], None]

START_DEADLINE = 30.0
STOP_GRACE = 35.0  # gunicorn lets running answers finish for 30 s
ORPHAN_GRACE = 3.0
_TICK = 0.05


class SurfaceActuator:
    """The gateway is a process of its own: it outlives the daemon and is found again by its note."""

    def __init__(self, run: Path, logs: Path, processes: Processes, *, conversations: Path) -> None:
        self._run = run
        self._conversations = conversations
        self._log = logs / "gateway.log"
        self._processes = processes

    async def publish(self, step: PublishSurface, _report: Report) -> Outcome:
        """Write the surface; workers read it with their next request."""
        write_atomically(self._run / "surface.json", msgspec.json.encode(step.surface))
        count = len(step.surface.routes)
        return Done(f"{count} route{'' if count == 1 else 's'} published")

    async def switch(self, step: SwitchRoute, _report: Report) -> Outcome:
        """Let the requests of one instance go to its new runner; the rest stays as it is now."""
        path = self._run / "surface.json"
        surface = msgspec.json.decode(path.read_bytes(), type=Surface)
        new = {each.name: each for each in step.surface.routes if each.instance == step.name}
        routes = tuple(new.get(each.name, each) for each in surface.routes)
        surface = msgspec.structs.replace(surface, routes=routes)
        write_atomically(path, msgspec.json.encode(surface))
        return Done(f"requests for {step.name} go to its new runner")

    async def start(self, step: StartGateway, report: Report) -> Outcome:
        """Return once it listens; the one it replaces is told to end then, and finishes what it
        answers by itself. One that listens there already gets as many workers as wanted.
        """
        want = step.gateway
        before = identity_of(step.replaces) if step.replaces is not None else None
        note = read_note(self._run) if before is not None else None
        await self._orphans_gone()
        if before is not None and note is not None and note.binds == (_bind(want),):
            return await self._resize(before, want, report)
        beside = note is not None and _listens_at(note, want)
        if taken := await asyncio.to_thread(_taken, want, beside=beside):
            return taken
        report(Progress("starting"))
        who = self._processes.start(
            [
                *(sys.executable, "-m", "lmctl.api.main"),
                *("--bind", _bind(want), "--workers", str(want.workers)),
                *(("--beside",) if beside else ()),
            ],
            log=self._log,
            env={
                "LMCTL_RUN": str(self._run),
                "LMCTL_CONVERSATIONS": str(self._conversations),
                "LMCTL_GATEWAY_DIGEST": want.digest,
                "LMCTL_LOG": "json",
            },
        )
        point("gateway.started")
        try:
            note = await self._until_noted(who)
        except asyncio.CancelledError:
            # Nobody could find it again: it has not noted itself yet.
            self._processes.signal(who, signal.SIGKILL)
            raise
        if note is None:
            await self._processes.end(who, grace=5.0)
            ending = self._processes.ending(who)
            return Failed(f"the gateway {ending}; see {self._log}", FailureKind.TRANSIENT)
        told = f"listening on {', '.join(note.binds)}, pid {who.pid}"
        if before is None:
            return Done(told)
        self._processes.signal(before, signal.SIGTERM)
        return Done(f"{told}; process {before.pid} finishes what it answers")

    async def _resize(self, who: Identity, want: WantedGateway, report: Report) -> Outcome:
        """Let a gateway have another number of workers; those that go finish what they answer."""
        report(Progress("changing the number of workers"))
        note = read_note(self._run)
        while note is not None and note.pid == who.pid and note.workers != want.workers:
            more = note.workers < want.workers
            self._processes.signal(who, signal.SIGTTIN if more else signal.SIGTTOU)
            note = await self._until_noted(who, workers_but=note.workers)
        if note is None or note.pid != who.pid:
            return Failed("the gateway does not change its workers", FailureKind.TRANSIENT)
        note = msgspec.structs.replace(note, spec_digest=want.digest)
        write_atomically(self._run / "gateway.json", msgspec.json.encode(note))
        return Done(f"{want.workers} worker{'' if want.workers == 1 else 's'}, pid {who.pid}")

    async def stop(self, step: StopGateway, report: Report) -> Outcome:
        """Return once its process is gone; running answers may finish."""
        if taken := await asyncio.to_thread(self._successor_taken, step):
            return taken
        who = identity_of(step.pid)
        if who is not None and step.kill:
            self._processes.kill(who)
            await self._processes.wait(who, seconds=STOP_GRACE)
        elif who is not None:
            report(Progress("letting running answers finish"))
            await self._processes.end(who, grace=STOP_GRACE)
        (self._run / "gateway.json").unlink(missing_ok=True)
        return Done("stopped")

    def _successor_taken(self, step: StopGateway) -> Failed | None:
        """Return why there would be nowhere to go; the port it holds itself is no hindrance."""
        note = read_note(self._run)
        if step.successor is None or note is None or _listens_at(note, step.successor):
            return None
        return _taken(step.successor)

    async def _orphans_gone(self) -> None:
        """Return once the workers of a master that died have left their port. They notice it within a
        second, unless they hang.
        """
        for who in await asyncio.to_thread(orphaned_workers, self._run):
            if not await self._processes.wait(who, seconds=ORPHAN_GRACE):
                self._processes.kill(who)
                await self._processes.wait(who, seconds=ORPHAN_GRACE)

    async def _until_noted(self, who: Identity, *, workers_but: int = 0) -> GatewayNote | None:
        """Return what a gateway says of itself once it does, with another number of workers than
        that; None if it does not in time.
        """
        left = START_DEADLINE
        while left > 0 and self._processes.alive(who):
            note = read_note(self._run)
            if note is not None and note.pid == who.pid and note.workers != workers_but:
                return note
            await asyncio.sleep(_TICK)
            left -= _TICK
        return None


def _listens_at(note: GatewayNote, want: WantedGateway) -> bool:
    """Say whether the running gateway holds the wanted port itself (any of its addresses)."""
    return any(each.rpartition(":")[2] == str(want.port) for each in note.binds)


def _bind(want: WantedGateway) -> str:
    host = f"[{want.host}]" if ":" in want.host else want.host
    return f"{host}:{want.port}"


def _taken(want: WantedGateway, *, beside: bool = False) -> Failed | None:
    """Return why the wanted address cannot be had now, or None."""
    if not want.port or can_bind(want.host, want.port, beside=beside):
        return None
    holder = who_listens(want.port) or "another process"
    reason = f"port {want.port} of {want.host} is taken by {holder}"
    return Failed(reason, FailureKind.TRANSIENT)
