"""Who still answers and who lives: asked again and again with a deadline, and waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from lmctl.adapters.processes import Identity
from lmctl.base.quantities import format_duration

Check = Callable[[], Awaitable[bool]]
"""Asks one process; says whether it answered. It is not waited for longer than patience lasts."""

MISSES: Final = 3
"""Checks in a row without an answer that mean that a process hangs."""


class HealthChecks:
    """Asks each process once a period; after a miss at once again, with half a period's patience.

    So one that hangs is known after at most two and a half periods. `ring` is called when one
    falls silent, and when it speaks again.
    """

    def __init__(self, period: float, ring: Callable[[], None]) -> None:
        self._period = period
        self._patience = period / 2
        self._ring = ring
        self._checks: Mapping[str, Check] = {}
        self._misses: dict[str, int] = {}

    def follow(self, checks: Mapping[str, Check]) -> None:
        """Ask exactly these from now on, each by the key of its process."""
        self._misses = {key: count for key, count in self._misses.items() if key in checks}
        self._checks = checks

    def silence(self, key: str) -> str:
        """Say how a process fell silent; empty for one that answers."""
        if self._misses.get(key, 0) < MISSES:
            return ""
        patience = format_duration(MISSES * self._patience)
        return f"no answer to {MISSES} health checks in a row, {patience}"

    async def run(self) -> None:
        """Ask for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            checks = list(self._checks.items())
            answers = await asyncio.gather(*(self._asked(check) for _, check in checks))
            for (key, _), answered in zip(checks, answers, strict=True):
                self._count(key, answered=answered)
            pause = self._patience if any(self._misses.values()) else self._period
            await asyncio.sleep(max(0.0, began + pause - clock()))

    async def _asked(self, check: Check) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                return await check()
        except TimeoutError:
            return False

    def _count(self, key: str, *, answered: bool) -> None:
        if key not in self._checks:
            return
        was_silent = bool(self.silence(key))
        self._misses[key] = 0 if answered else self._misses.get(key, 0) + 1
        if bool(self.silence(key)) is not was_silent:
            self._ring()


class Deaths:
    """Rings as soon as a process has ended, whoever started it."""

    def __init__(
        self, gone: Callable[[Identity], Awaitable[None]], ring: Callable[[], None]
    ) -> None:
        self._gone = gone
        self._ring = ring
        self._tasks: dict[Identity, asyncio.Task[None]] = {}

    def follow(self, wanted: Iterable[Identity]) -> None:
        """Wait for the end of exactly these from now on."""
        there = set(wanted)
        for who in self._tasks.keys() - there:
            self._tasks.pop(who).cancel()
        for who in there - self._tasks.keys():
            self._tasks[who] = asyncio.get_running_loop().create_task(self._wait(who))

    async def stop(self) -> None:
        """Wait no more."""
        tasks = list(self._tasks.values())
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, who: Identity) -> None:
        await self._gone(who)
        self._ring()
