"""Stored weights hashed again in the background, each blob once a period, for as long as we live."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from lmctl.adapters.weights.scrubbing import Scrubber
from lmctl.base.quantities import format_duration

log = structlog.get_logger("lmctl.daemon")

MIB = 1024 * 1024
# Bytes a second. Beside a model that answers, 64 MiB/s of hashing at the lowest priority cost it
# nothing that could be measured, an unlimited rate a fifth of its speed (docs/weights.md).
BUSY_RATE = 64 * MIB
IDLE_RATE = 256 * MIB
_LOOK = 600.0  # seconds after which blobs are looked through although nobody said anything


@dataclass(frozen=True, slots=True)
class Scrub:
    """Runs a scrubber. `period` is asked in seconds before each blob; `damaged` is told the sha256 of
    what was not whole; `changed` ends with the next turn of the loop, or after so many seconds.
    """

    scrubber: Scrubber
    clock: Callable[[], float]
    period: Callable[[], float]
    damaged: Callable[[str], None]
    changed: Callable[[float], Awaitable[object]]

    async def run(self) -> None:
        """Scrub for ever."""
        try:
            while True:
                await self.changed(await self.once())
        finally:
            self.scrubber.close()

    async def once(self) -> float:
        """Scrub the blob that is due, if there is one; return the seconds until the next may be."""
        due = await asyncio.to_thread(self.scrubber.due, self.period())
        if not due:
            return _LOOK
        wait = due[0].at - self.clock()
        if wait > 0:
            return min(wait, _LOOK)
        began, sha256 = self.clock(), due[0].sha256
        try:
            whole = await self.scrubber.scrub(sha256)
        except OSError as error:
            log.warning("cannot scrub a blob", sha256=sha256, why=str(error))
            return _LOOK
        if not whole:
            self.damaged(sha256)
        took = format_duration(self.clock() - began)
        log.info("blob scrubbed", sha256=sha256, whole=whole, took=took)
        return 0.0
