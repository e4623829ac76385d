"""A transport that says when its server has gone: the SDK tells nobody while nothing is asked."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams


@asynccontextmanager
async def noticing(
    transport: "AbstractAsyncContextManager[TransportStreams]", ended: Callable[[], object]
) -> "AsyncIterator[TransportStreams]":
    """Wrap a transport; `ended` is called when nothing more can come from the server."""
    async with transport as (read, write):
        yield _Noticed(read, ended), write


class _Noticed:
    """A stream of messages that tells of its end."""

    def __init__(self, stream: Any, ended: Callable[[], object]) -> None:
        self._stream = stream
        self._ended = ended

    @property
    def last_context(self) -> Any:
        """Return what the SDK keeps beside a message, where the transport has it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self._ended()
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        found: bool | None = await self._stream.__aexit__(kind, error, trace)
        return found
