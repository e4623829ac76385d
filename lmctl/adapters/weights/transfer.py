"""One request after another until bytes are here: begun, read, judged, tried again.

A lane is one connection; `lanes` has several of them work on one file.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import httpx2

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.http_get import TryAgain, explain, get, host_of, unreachable
from lmctl.adapters.weights.partial_file import Note, PartialFile
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import settled
from lmctl.adapters.weights.wanted import Lanes, Timing, Wanted
from lmctl.base.errors import IntegrityError, NotReady

_CHUNK: Final = 512 * 1024
_FLUSH_SECONDS: Final = 0.5


class NoRanges(Exception):
    """The server does not send the range that was asked for, or no two ranges of one file."""


class Splits(Exception):
    """The file is large and its server sends ranges; `size` in bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(slots=True)
class Stretch:
    """What one request is for: the bytes from `at`, which moves, to `end`; None is the file's."""

    at: int
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What a transfer works with. `clock` is monotonic seconds; `sleep` waits between tries."""

    blobs: Blobs
    timing: Timing
    lanes: Lanes
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Transfer:
    """Moves the bytes of one wanted file into its partial."""

    def __init__(
        self,
        wanted: Wanted,
        part: PartialFile,
        meter: Meter,
        *,
        means: Means,
        client: httpx2.AsyncClient,
    ) -> None:
        self.wanted = wanted
        self.part = part
        self.means = means
        self._meter = meter
        self._client = client
        self._began = part.have

    async def whole(self, *, alone: bool) -> None:
        """Get the rest of the file over one connection, trying again as long as there is hope.

        Raises Splits, unless `alone`, where several could share the work; else as `stretch` does.
        """
        await self._insist(lambda: self._rest(alone=alone))

    async def stretch(self, stretch: Stretch, *, may_leave: Callable[[], bool]) -> None:
        """Get exactly these bytes; TryAgain when a busy server would rather have one lane fewer and
        it `may_leave`.

        Raises Unreachable, NotReady, NotFound, Refused, NoSpace, IntegrityError, NoRanges.
        """
        await self._insist(lambda: self._attempt(stretch), may_leave=may_leave)

    async def _insist(
        self,
        attempt: Callable[[], Awaitable[None]],
        *,
        may_leave: Callable[[], bool] = lambda: False,
    ) -> None:
        timing, fruitless, what = self.means.timing, 0, self.wanted.what
        for _ in range(timing.all_tries):
            before = self.part.have
            try:
                return await attempt()
            except TryAgain as again:
                if again.busy and may_leave():
                    raise
                fruitless = 0 if self.part.have > before else fruitless + 1
                hopeless = again.silent and self.part.have <= self._began
                wait = again.wait if again.wait is not None else 2.0 ** max(fruitless - 1, 0)
                if wait > timing.longest_wait:
                    raise NotReady(f"{what}: {again}", retry_after=wait) from again
                if hopeless or fruitless >= timing.tries:
                    raise unreachable(f"{what}: {again}") from again
            await self.means.sleep(wait)
        raise unreachable(f"{what}: the connection broke {timing.all_tries} times")

    async def _rest(self, *, alone: bool) -> None:
        await self._attempt(Stretch(self.part.prefix), may_split=not alone)

    async def _attempt(self, stretch: Stretch, *, may_split: bool = False) -> None:
        """Make one request and read it to its end. Raises TryAgain when something is missing."""
        host, total = host_of(self.wanted.address.url), None
        answer = get(self._client, self.wanted.address, _range(self.wanted, self.part, stretch))
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self.means.timing.first_byte):
                    response = await stack.enter_async_context(answer)
                total = await self._begin(response, stretch)
                if may_split and total and self._worth_splitting(response, total):
                    raise Splits(total)
                await self._read(response, stretch)
            except httpx2.HTTPError as error:
                raise explain(error, host) from error
            except TimeoutError as error:
                raise TryAgain(f"{host} does not answer", silent=True) from error
        short = (stretch.end or total or self.wanted.size or 0) - stretch.at
        if short > 0:
            raise TryAgain(f"{host} ended {short} bytes early")

    def _worth_splitting(self, response: httpx2.Response, total: int) -> bool:
        ranges = response.status_code == 206 or response.headers.get("Accept-Ranges") == "bytes"
        return ranges and total - self.part.have >= 2 * self.means.lanes.piece

    async def _begin(self, response: httpx2.Response, stretch: Stretch) -> int | None:
        """Bring the partial to where the answer starts; return the size of the whole file."""
        note = Note(self.wanted.origin, _validator(response))
        if response.status_code == 200:
            total = await self._from_the_start(response, stretch)
        else:
            start, total = _content_range(response)
            if response.status_code == 416 and total == stretch.at:
                return total
            if start != stretch.at and response.status_code != 416:
                await self._other_range(stretch)
        self._require_size(total)
        if stretch.end is not None and self._of_another_file(note):
            raise NoRanges  # all of it has to come from one
        await settled(self.part.annotate, note)
        if total:
            self._meter.expect(self.wanted.what, total)
            self.means.blobs.require_space(total - self.part.have, self.wanted.what)
        return total

    def _of_another_file(self, note: Note) -> bool:
        known = self.part.note
        return known is not None and known.origin == note.origin and known != note

    async def _from_the_start(self, response: httpx2.Response, stretch: Stretch) -> int | None:
        if stretch.end is not None:
            raise NoRanges
        await settled(self.part.restart)
        stretch.at = 0
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None

    async def _other_range(self, stretch: Stretch) -> None:
        if stretch.end is not None:
            raise NoRanges
        await settled(self.part.restart)
        raise TryAgain("the server sent another range than asked for", wait=0)

    def _require_size(self, total: int | None) -> None:
        wanted = self.wanted
        if wanted.size is not None and total is not None and total != wanted.size:
            raise IntegrityError(
                f"{wanted.what}: {total} bytes offered, {wanted.size} bytes declared",
                hint="the source has another file under this name; check revision and file",
            )

    async def _read(self, response: httpx2.Response, stretch: Stretch) -> None:
        """Write the body; what arrived is on disk even when the rest does not come."""
        if response.status_code == 416:
            return
        clock = self.means.clock
        buffer, flushed = bytearray(), clock()
        try:
            async for chunk in response.aiter_raw():
                buffer += chunk
                if len(buffer) >= _CHUNK or clock() - flushed >= _FLUSH_SECONDS:
                    await self._flush(buffer, stretch)
                    flushed = clock()
                if stretch.end is not None and stretch.at + len(buffer) > stretch.end:
                    return  # more than was asked for is not read
        finally:
            await self._flush(buffer, stretch)

    async def _flush(self, buffer: bytearray, stretch: Stretch) -> None:
        wanted = self.wanted
        room = len(buffer) if stretch.end is None else stretch.end - stretch.at
        piece = bytes(buffer[:room])
        buffer.clear()
        try:
            await settled(self.part.write, stretch.at, piece)
        except OSError as error:
            full = self.means.blobs.no_space(error, needed=len(piece), what=wanted.what)
            if full is None:
                raise
            raise full from error
        stretch.at += len(piece)
        self._meter.at(wanted.what, self.part.have, travelled=len(piece))
        if wanted.size is not None and stretch.at > wanted.size:
            raise IntegrityError(f"{wanted.what}: more than the declared {wanted.size} bytes")


def _range(wanted: Wanted, part: PartialFile, stretch: Stretch) -> dict[str, str]:
    """Return the headers that ask for the bytes.

    If-Range makes a changed file start over. Bytes from another address are continued only when
    a declared sha256 will judge the result.
    """
    if stretch.at == 0 and stretch.end is None:
        return {}
    last = stretch.end - 1 if stretch.end is not None else ""
    headers = {"Range": f"bytes={stretch.at}-{last}"}
    if part.note and part.note.validator and part.note.origin == wanted.origin:
        headers["If-Range"] = part.note.validator
    return headers


def _validator(response: httpx2.Response) -> str | None:
    """Return what If-Range may carry: a strong ETag, else the Last-Modified date, else nothing."""
    tag: str | None = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    modified: str | None = response.headers.get("Last-Modified")
    return modified


def _content_range(response: httpx2.Response) -> tuple[int | None, int | None]:
    """Return start and total of `bytes 5-9/10` or `bytes */10`; None for what is not said."""
    words = response.headers.get("Content-Range", "").removeprefix("bytes ")
    span, _, total = words.partition("/")
    start = span.partition("-")[0]
    return (
        int(start) if start.isdigit() else None,
        int(total) if total.isdigit() else None,
    )
