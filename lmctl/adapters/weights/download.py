"""A file from an address, whole and proven, however often the connection, or we, broke before.

Bytes go to `HOME/partial/<identity>.part` and are hashed on the way; the next try, in this call,
another process or after kill -9, asks only for the rest. Two processes never write one partial.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.http_get import Address, TryAgain, explain, get, host_of, unreachable
from lmctl.adapters.weights.partial_file import Note, PartialFile
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import settled
from lmctl.base.addresses import bare_url
from lmctl.base.digests import digest
from lmctl.base.errors import IntegrityError, NotReady

_CHUNK: Final = 1024 * 1024
_FLUSH_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to hope, in seconds. `tries` without a new byte end a download, as do `all_tries`
    altogether; a server that asks for more than `longest_wait` is left for now.
    """

    connect: float = 5.0
    first_byte: float = 5.0
    stall: float = 15.0
    tries: int = 4
    all_tries: int = 200
    longest_wait: float = 15.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file: where it is and what it must be, as far as that is known beforehand.

    Without `sha256`, `identity` must name the content (repository, commit, path), because a
    partial found under it is continued. `what` is how messages call the file.
    """

    address: Address
    what: str
    identity: str
    sha256: str | None = None
    git_sha1: str | None = None
    size: int | None = None

    @property
    def partial(self) -> str:
        """The name of its partial; equal contents from two places share one."""
        return f"sha256-{self.sha256}" if self.sha256 else f"from-{digest(self.identity)}"


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
    """Downloads into one home. `clock` is monotonic seconds; `sleep` waits between tries."""

    def __init__(
        self,
        blobs: Blobs,
        *,
        timing: Timing | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._blobs = blobs
        self._timing = timing or Timing()
        self._sleep = sleep
        self._clock = clock

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
            part = await settled(PartialFile, path)
            stack.callback(part.close)
            await self._complete(wanted, part, meter)
            yield Downloaded(path, part.sha256(), part.offset)
            part.forget()
            path.unlink(missing_ok=True)

    async def _complete(self, wanted: Wanted, part: PartialFile, meter: Meter) -> None:
        if not _may_continue(wanted, part):
            await settled(part.restart)
        resumed = part.offset > 0
        if not resumed or part.offset != wanted.size:
            await self._transfer(wanted, part, meter)
        problem = await settled(_problem, wanted, part)
        if problem and resumed:
            # Old bytes may come from a torn disk or another server: they get one clean retry.
            await settled(part.restart)
            await self._transfer(wanted, part, meter)
            problem = await settled(_problem, wanted, part)
        if problem:
            part.forget()
            await settled(self._blobs.quarantine, part.path, f"{wanted.what}: {problem}")
            raise IntegrityError(
                f"{wanted.what}: {problem}",
                hint="the bytes are kept in quarantine; if the file was meant to change, pin the new sha256",
            )

    async def _transfer(self, wanted: Wanted, part: PartialFile, meter: Meter) -> None:
        """Get bytes until the file is complete, trying again as long as there is hope."""
        timing, fruitless, began = self._timing, 0, part.offset
        timeout = httpx2.Timeout(timing.stall, connect=timing.connect)
        async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False) as client:
            for _ in range(timing.all_tries):
                before = part.offset
                try:
                    return await self._attempt(client, wanted, part, meter)
                except TryAgain as again:
                    fruitless = 0 if part.offset > before else fruitless + 1
                    hopeless = again.silent and part.offset <= began
                    wait = again.wait if again.wait is not None else 2.0 ** max(fruitless - 1, 0)
                    if wait > timing.longest_wait:
                        raise NotReady(f"{wanted.what}: {again}", retry_after=wait) from again
                    if hopeless or fruitless >= timing.tries:
                        raise unreachable(f"{wanted.what}: {again}") from again
                await self._sleep(wait)
        raise unreachable(f"{wanted.what}: the connection broke {timing.all_tries} times")

    async def _attempt(
        self, client: httpx2.AsyncClient, wanted: Wanted, part: PartialFile, meter: Meter
    ) -> None:
        """Make one request and read it to its end. Raises TryAgain when something is missing."""
        host = host_of(wanted.address.url)
        answer = get(client, wanted.address, _range(wanted, part))
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._timing.first_byte):
                    response = await stack.enter_async_context(answer)
                if total := await self._begin(response, wanted, part):
                    meter.expect(wanted.what, total)
                    self._blobs.require_space(total - part.offset, wanted.what)
                await self._read(response, wanted, part, meter)
            except httpx2.HTTPError as error:
                raise explain(error, host) from error
            except TimeoutError as error:
                raise TryAgain(f"{host} does not answer", silent=True) from error
        short = (total or wanted.size or 0) - part.offset
        if short > 0:
            raise TryAgain(f"{host} ended {short} bytes early")

    async def _begin(
        self, response: httpx2.Response, wanted: Wanted, part: PartialFile
    ) -> int | None:
        """Bring the partial to where the answer starts; return the size of the whole file."""
        note = Note(_origin(wanted), _validator(response))
        if response.status_code == 200:
            await settled(part.restart)
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
        else:
            start, total = _content_range(response)
            if response.status_code == 416 and total == part.offset:
                return total
            if start != part.offset:
                await settled(part.restart)
                raise TryAgain("the server sent another range than asked for", wait=0)
        if wanted.size is not None and total is not None and total != wanted.size:
            raise IntegrityError(
                f"{wanted.what}: {total} bytes offered, {wanted.size} bytes declared",
                hint="the source has another file under this name; check revision and file",
            )
        await settled(part.annotate, note)
        return total

    async def _read(
        self, response: httpx2.Response, wanted: Wanted, part: PartialFile, meter: Meter
    ) -> None:
        """Write the body; what arrived is on disk even when the rest does not come."""
        if response.status_code == 416:
            return
        buffer, flushed = bytearray(), self._clock()
        try:
            async for chunk in response.aiter_raw():
                buffer += chunk
                if len(buffer) >= _CHUNK or self._clock() - flushed >= _FLUSH_SECONDS:
                    await self._flush(buffer, wanted, part, meter)
                    flushed = self._clock()
        finally:
            await self._flush(buffer, wanted, part, meter)

    async def _flush(
        self, buffer: bytearray, wanted: Wanted, part: PartialFile, meter: Meter
    ) -> None:
        piece = bytes(buffer)
        buffer.clear()
        try:
            await settled(part.write, piece)
        except OSError as error:
            full = self._blobs.no_space(error, needed=len(piece), what=wanted.what)
            if full is None:
                raise
            raise full from error
        meter.at(wanted.what, part.offset, travelled=len(piece))
        if wanted.size is not None and part.offset > wanted.size:
            raise IntegrityError(f"{wanted.what}: more than the declared {wanted.size} bytes")


def _origin(wanted: Wanted) -> str:
    return digest(bare_url(wanted.address.url))


def _may_continue(wanted: Wanted, part: PartialFile) -> bool:
    """Whether something will tell if the old bytes still fit: a declared hash, or the server."""
    if wanted.size is not None and part.offset > wanted.size:
        return False
    note = part.note
    return bool(wanted.sha256 or (note and note.validator and note.origin == _origin(wanted)))


def _range(wanted: Wanted, part: PartialFile) -> dict[str, str]:
    """Return the headers that ask for the rest.

    If-Range makes a changed file start over. Bytes from another address are continued only when
    a declared sha256 will judge the result.
    """
    if part.offset == 0:
        return {}
    headers = {"Range": f"bytes={part.offset}-"}
    if part.note and part.note.validator and part.note.origin == _origin(wanted):
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


def _problem(wanted: Wanted, part: PartialFile) -> str | None:
    """Say how the bytes differ from what was declared, or None."""
    if wanted.size is not None and part.offset != wanted.size:
        return f"{part.offset} bytes, declared {wanted.size}"
    if wanted.sha256 and (found := part.sha256()) != wanted.sha256:
        return f"sha256 is {found}, declared {wanted.sha256}"
    if wanted.git_sha1 and (found := part.git_sha1()) != wanted.git_sha1:
        return f"git id is {found}, declared {wanted.git_sha1}"
    return None
