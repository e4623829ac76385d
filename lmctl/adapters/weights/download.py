"""A file from an address, whole and proven, however often the connection, or we, broke before.

Bytes go to `HOME/partial/<identity>.part`, over several connections where the file is large; the next
try, in this call, another process or after kill -9, asks only for what is missing. Two processes
never write one partial.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import getproxies

import httpx2

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.lanes import side_by_side
from lmctl.adapters.weights.partial_file import Check, PartialFile
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.adapters.weights.transfer import Means, NoRanges, Splits, Transfer
from lmctl.adapters.weights.wanted import Lanes, Timing, Wanted
from lmctl.base.errors import IntegrityError

# Per connection; with 30 ms to the server and four of them 100 MB/s still pass.
_ON_THE_WAY: Final = 768 * 1024


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A finished, proven partial; valid while the context that gave it is open."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that is now a blob: its name as published, and its sha256."""

    name: str
    sha256: str


class Downloads:
    """Downloads into one home; `sleep` waits between tries."""

    def __init__(
        self,
        blobs: Blobs,
        *,
        timing: Timing | None = None,
        lanes: Lanes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._blobs = blobs
        self._means = Means(blobs, timing or Timing(), lanes or Lanes(), sleep)

    async def into_blob(self, wanted: Wanted, meter: Meter) -> str:
        """Download a file into the blob store, unless it is there; return its sha256.

        Raises as `file` does.
        """
        if wanted.sha256 and await self._blobs.sound(wanted.sha256):
            return wanted.sha256
        async with self.file(wanted, meter) as got:
            await self._blobs.admit(got.path, got.sha256)
            return got.sha256

    @asynccontextmanager
    async def file(self, wanted: Wanted, meter: Meter) -> AsyncIterator[Downloaded]:
        """Give the finished file, which the caller moves away or leaves to be deleted.

        Raises Unreachable or NotReady (worth another try; the bytes so far stay), NotFound or
        Refused (they are not), NoSpace, and IntegrityError (the bytes are in quarantine).
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._blobs.lock(wanted.partial))
            path = self._blobs.partial(wanted.partial)
            part = await interruptible(PartialFile, path)
            stack.callback(part.close)
            await self._complete(wanted, part, meter)
            await settled(part.finish)
            yield Downloaded(path, await interruptible(part.sha256), part.prefix)
            part.forget()
            path.unlink(missing_ok=True)

    async def _complete(self, wanted: Wanted, part: PartialFile, meter: Meter) -> None:
        if not _may_continue(wanted, part):
            await settled(part.restart)
        resumed = part.have > 0
        if not resumed or part.prefix != wanted.size:
            await self._transfer(wanted, part, meter)
        problem = await interruptible(_problem, wanted, part)
        if problem and (await interruptible(part.recheck)) > 0:
            # The disk does not give back what came: that is known by piece, and only that comes again.
            await self._transfer(wanted, part, meter)
            problem = await interruptible(_problem, wanted, part)
        if problem and resumed:
            # Old bytes may come from another server: they get one clean retry.
            await settled(part.restart)
            await self._transfer(wanted, part, meter)
            problem = await interruptible(_problem, wanted, part)
        if problem:
            part.forget()
            await settled(self._blobs.quarantine, part.path, f"{wanted.what}: {problem}")
            raise IntegrityError(
                f"{wanted.what}: {problem}",
                hint="the bytes are kept in quarantine; if the file was meant to change, pin the new sha256",
            )

    async def _transfer(self, wanted: Wanted, part: PartialFile, meter: Meter) -> None:
        """Get bytes until the file is complete, over several connections where that can be."""
        timing = self._means.timing
        timeout = httpx2.Timeout(timing.stall, connect=timing.connect)
        async with httpx2.AsyncClient(
            timeout=timeout, follow_redirects=False, transport=_transport()
        ) as client:
            transfer = Transfer(wanted, part, meter, means=self._means, client=client)
            size = self._to_share(wanted, part)
            if size is None:
                try:
                    return await transfer.whole(alone=False)
                except Splits as large:
                    size = large.size
            return await self._shared(transfer, size)

    async def _shared(self, transfer: Transfer, size: int) -> None:
        try:
            await side_by_side(transfer, size)
        except NoRanges:
            await settled(transfer.part.restart)
            await transfer.whole(alone=True)

    def _to_share(self, wanted: Wanted, part: PartialFile) -> int | None:
        """Return the size of a file that pieces are asked of from the start: it is large, or has a
        hole; None for one that is read from front to back.
        """
        size = wanted.size
        if size is None:
            return None
        large = size - part.have >= 2 * self._means.lanes.piece
        return size if large or part.have > part.prefix else None


def _transport() -> httpx2.AsyncHTTPTransport | None:
    """Return connections with little on the way, None (the client's own) where that cannot be.

    What the kernel has taken in and nobody has read is lost with the process: it could be megabytes
    per connection. A transport of our own would pass over the proxies of the environment.
    """
    if not hasattr(socket, "TCP_WINDOW_CLAMP") or getproxies():
        return None
    option = (socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, _ON_THE_WAY)
    return httpx2.AsyncHTTPTransport(socket_options=[option])


def _may_continue(wanted: Wanted, part: PartialFile) -> bool:
    """Whether something will tell if the old bytes still fit: a declared hash, or the server."""
    if wanted.size is not None and part.have > wanted.size:
        return False
    note = part.note
    return bool(wanted.sha256 or (note and note.validator and note.origin == wanted.origin))


def _problem(check: Check, wanted: Wanted, part: PartialFile) -> str | None:
    """Say how the bytes differ from what was declared, or None."""
    if wanted.size is not None and part.prefix != wanted.size:
        return f"{part.prefix} bytes, declared {wanted.size}"
    if wanted.sha256 and (found := part.sha256(check)) != wanted.sha256:
        return f"sha256 is {found}, declared {wanted.sha256}"
    if wanted.git_sha1 and (found := part.git_sha1()) != wanted.git_sha1:
        return f"git id is {found}, declared {wanted.git_sha1}"
    return None
