"""What a runner says of itself, and how those who watch hear of changes."""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from lmctl.base.spec import FailureKind, Phase, RunnerSpec, RunnerStatus, Work

BETWEEN_COUNTS: Final = 0.5
"""Seconds between two reports that differ in counters only."""
PROGRESS_STEP: Final = 0.01


def memory_peak() -> int:
    """Return the most resident bytes this process ever had.

    Linux keeps it as VmHWM; what `getrusage` says there may be the parent's from before the exec.
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _Bell:
    """Wakes everyone who waits at the moment it rings."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def heard_since(self, rings: int) -> None:
        """Return as soon as it has rung more often than `rings`."""
        while self.rings == rings:
            await self._event.wait()


class Board:
    """The runner's status. Lives on the event loop; a change of it wakes every watcher."""

    def __init__(self, spec: RunnerSpec) -> None:
        self._process = psutil.Process()
        self._status = RunnerStatus(
            name=spec.name,
            uid=spec.uid,
            pid=self._process.pid,
            started_at=self._process.create_time(),
            phase=Phase.STARTING,
            spec_digest=spec.spec_digest,
            parallel=spec.load.parallel,
            context_length=spec.load.context_length,
        )
        self._closed = False
        self._idle_since = time.monotonic()
        self._changed = _Bell()
        self._counted = _Bell()

    @property
    def phase(self) -> Phase:
        return self._status.phase

    def status(self) -> RunnerStatus:
        """Return the status of this moment, memory included."""
        now = self._process.memory_info().rss
        return msgspec.structs.replace(
            self._status,
            memory=now,
            memory_peak=max(now, memory_peak()),
            idle=0.0 if self._busy else time.monotonic() - self._idle_since,
        )

    @property
    def _busy(self) -> bool:
        return bool(self._status.running or self._status.queued)

    def move(self, phase: Phase, **facts: Any) -> None:
        """Enter a phase, with what became known by it."""
        self._status = msgspec.structs.replace(self._status, phase=phase, **facts)
        self._idle_since = time.monotonic()
        self._changed.ring()

    def rename(self, name: str) -> None:
        """Report under another name from now on."""
        self.move(self.phase, name=name)

    def fail(self, kind: FailureKind, reason: str) -> None:
        """Enter the phase there is no way back from."""
        self.move(Phase.FAILED, failure=kind, reason=reason)

    def hang(self, words: str | None) -> None:
        """Note that the engine hangs, or that it moves again."""
        self._status = msgspec.structs.replace(self._status, hung=words)
        self._changed.ring()

    def load(self, progress: float) -> None:
        """Note how much is loaded, 0..1; steps under one percent are not worth a word."""
        if self._status.phase is not Phase.LOADING:
            return
        if progress - self._status.progress >= PROGRESS_STEP:
            self.move(Phase.LOADING, progress=progress)

    def widen(self, step: int) -> None:
        """Note how many tokens were computed together at most."""
        if step > self._status.widest_step:
            self._status = msgspec.structs.replace(self._status, widest_step=step)

    def did(self, work: Work) -> None:
        """Note what the engine did and holds."""
        self._status = msgspec.structs.replace(self._status, work=work)

    def count(self, *, running: int, inside: int, requests: int = 0, tokens: int = 0) -> None:
        """Note who is inside, and add requests and tokens to the totals."""
        before = self._status
        self._status = msgspec.structs.replace(
            before,
            running=running,
            queued=max(0, inside - running),
            requests=before.requests + requests,
            tokens=before.tokens + tokens,
        )
        self._idle_since = time.monotonic()
        self._counted.ring()

    def close(self) -> None:
        """Let every watcher hear the last word, and no more."""
        self._closed = True
        self._changed.ring()

    async def reports(self) -> AsyncGenerator[RunnerStatus, None]:
        """Yield the status now and after every change; counters alone at most twice a second."""
        while True:
            changes, counts = self._changed.rings, self._counted.rings
            told_at = time.monotonic()
            yield self.status()
            if self._closed and changes == self._changed.rings:
                return
            await self._news(changes, counts, quiet_until=told_at + BETWEEN_COUNTS)

    async def _news(self, changes: int, counts: int, *, quiet_until: float) -> None:
        changed = asyncio.ensure_future(self._changed.heard_since(changes))
        counted = asyncio.ensure_future(self._counted.heard_since(counts))
        try:
            await asyncio.wait({changed, counted}, return_when=asyncio.FIRST_COMPLETED)
            if not changed.done():
                await asyncio.wait({changed}, timeout=max(0.0, quiet_until - time.monotonic()))
        finally:
            changed.cancel()
            counted.cancel()
            await asyncio.wait({changed, counted})
