"""Where a tool server is, and the transport that leads there."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import httpx2

from lmctl.adapters.outbound import leave_for

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

Dial = Callable[[], "AbstractAsyncContextManager[TransportStreams]"]
Transport = Literal["auto", "http", "sse"]

_CONNECT: Final = 10.0  # seconds until a server takes a connection
_SILENCE: Final = 300.0  # seconds without a byte of an answer that is under way


@dataclass(frozen=True, slots=True)
class LocalTarget:
    """A program to start here; its environment is a safe few of ours and `env`. What it writes to
    standard error goes to `log`.
    """

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """A server elsewhere. `auto` speaks streamable HTTP, and SSE where that is not understood.
    `network` replaces the way connections are made.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    transport: Transport = "auto"
    auth: httpx2.Auth | None = field(default=None, repr=False)
    network: httpx2.AsyncBaseTransport | None = None


Target = LocalTarget | RemoteTarget


def dials(target: Target) -> tuple[Dial, ...]:
    """Return the ways to reach a server, the likeliest first."""
    match target:
        case LocalTarget():
            return (lambda: _started(target),)
        case RemoteTarget(transport="auto"):
            return (lambda: _streamed(target), lambda: _sse(target))
        case RemoteTarget(transport="http"):
            return (lambda: _streamed(target),)
        case RemoteTarget():
            return (lambda: _sse(target),)


@asynccontextmanager
async def _started(target: LocalTarget) -> "AsyncIterator[TransportStreams]":
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    parameters = StdioServerParameters(
        command=target.command,
        args=list(target.args),
        env=dict(target.env),
        cwd=target.cwd,
        encoding_error_handler="replace",
    )
    # The program gets the file's descriptor, so it must be a real one, and appended to.
    path = target.log or Path("/dev/null")
    with path.open("a", encoding="utf-8") as log:
        async with stdio_client(parameters, log) as streams:
            yield streams


@asynccontextmanager
async def _streamed(target: RemoteTarget) -> "AsyncIterator[TransportStreams]":
    from mcp.client.streamable_http import streamable_http_client

    async with (
        _http(target, dict(target.headers)) as client,
        streamable_http_client(target.url, http_client=client) as streams,
    ):
        yield streams


def _sse(target: RemoteTarget) -> "AbstractAsyncContextManager[TransportStreams]":
    from mcp.client.sse import sse_client

    def client(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        del timeout, auth  # ours are the same for both transports
        return _http(target, headers or {})

    return sse_client(target.url, dict(target.headers), httpx_client_factory=client)


def _http(target: RemoteTarget, headers: dict[str, str]) -> httpx2.AsyncClient:
    """Return a client that follows no proxy of the environment and no redirect of its own accord.

    Raises Refused while offline.
    """
    leave_for(target.url)
    return httpx2.AsyncClient(
        headers=headers,
        auth=target.auth,
        transport=target.network,
        timeout=httpx2.Timeout(_CONNECT, read=_SILENCE),
        trust_env=False,
        event_hooks={"request": [_leave]},
    )


async def _leave(request: httpx2.Request) -> None:
    """Ask the door for every request: a login leads to other places than the server."""
    leave_for(str(request.url))
