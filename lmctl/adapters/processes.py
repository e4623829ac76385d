"""Processes that outlive us: started detached, found again by pid and start time, ended by pid.

A pid alone is never trusted: the kernel reuses them. A process is *ours* only if its start time
is the one we wrote down.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path

import psutil

_TICK = 0.05  # seconds between looks at a process that was asked to end


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for all time: its pid and when it was started, in unix seconds."""

    pid: int
    started_at: float


class Processes:
    """Starts, recognises and ends detached processes; reaps those that are our own children."""

    def __init__(self, handed: Mapping[str, str] | None = None) -> None:
        """`handed` is the environment of what is started, by default our own."""
        self._handed = os.environ if handed is None else handed
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Identity:
        """Start a command in a session of its own; stdout and stderr are appended to `log`.

        Its environment is what everything is handed, and `env`.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**self._handed, **env},
                start_new_session=True,
                close_fds=True,
                cwd="/",
            )
        self._children[child.pid] = child
        return Identity(child.pid, psutil.Process(child.pid).create_time())

    def alive(self, who: Identity) -> bool:
        """Say whether that very process still runs; a zombie does not."""
        self._reap(who.pid)
        try:
            process = psutil.Process(who.pid)
            same = abs(process.create_time() - who.started_at) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def reap(self) -> None:
        """Take leave of every child that ended; how one did is still known afterwards."""
        for pid in list(self._children):
            self._reap(pid)

    def ending(self, who: Identity) -> str:
        """Return how a process of ours ended, e.g. `exit code 1` or `killed by SIGKILL`."""
        code = self._reap(who.pid)
        if code is None:
            return "ended"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def signal(self, who: Identity, number: signal.Signals) -> None:
        """Send a signal, if that very process still runs."""
        if self.alive(who):
            try:
                os.kill(who.pid, number)
            except ProcessLookupError:
                self._reap(who.pid)

    def kill(self, who: Identity) -> None:
        """End a process and all it started, stopped ones too, if that very process still runs."""
        if self.alive(who):
            leads = os.getpgid(who.pid) == who.pid
            with suppress(ProcessLookupError):
                (os.killpg if leads else os.kill)(who.pid, signal.SIGKILL)
            self._reap(who.pid)

    async def gone(self, who: Identity) -> None:
        """Return as soon as the process has ended, whoever started it."""
        descriptor = _pidfd(who.pid)
        if descriptor is None:
            await self.wait(who, seconds=inf)
            return
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        try:
            if self.alive(who):  # and not another one with its pid
                await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def stopped(self, who: Identity) -> bool:
        """Say whether somebody has stopped the process (SIGSTOP), so that it does nothing."""
        try:
            return psutil.Process(who.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    async def wait(self, who: Identity, *, seconds: float) -> bool:
        """Wait until the process is gone; False when it is still there after `seconds`."""
        left = seconds
        while self.alive(who):
            if left <= 0:
                return False
            await asyncio.sleep(_TICK)
            left -= _TICK
        return True

    async def end(self, who: Identity, *, grace: float) -> bool:
        """SIGTERM, wait `grace` seconds, SIGKILL. Returns whether it ended by itself."""
        self.signal(who, signal.SIGTERM)
        if await self.wait(who, seconds=grace):
            return True
        self.kill(who)
        await self.wait(who, seconds=10.0)
        return False

    def memory(self, who: Identity) -> int:
        """Return the resident bytes of a process and its children; 0 when it is gone."""
        try:
            process = psutil.Process(who.pid)
            family = [process, *process.children(recursive=True)]
            return sum(each.memory_info().rss for each in family)
        except psutil.Error:
            return 0

    def _reap(self, pid: int) -> int | None:
        child = self._children.get(pid)
        return child.poll() if child is not None else None


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that can be read once the process has ended; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def identity_of(pid: int) -> Identity | None:
    """Return the identity of a running process, or None."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
