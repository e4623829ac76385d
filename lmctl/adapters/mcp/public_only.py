"""Connections of a request's own tool servers: to public addresses only, or to networks that are allowed.

The name is resolved once per server, every address it has is judged, and what is connected to is the
judged address itself: a name that answers otherwise later (DNS rebinding) leads nowhere else. Only
the server's own host is spoken to, so no redirect leads elsewhere either.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import httpx2

from lmctl.base.errors import Refused, Unreachable

MOST: Final = 32 * 1024 * 1024
"""Bytes of one answer."""
_NAT64: Final = ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[list[str]]]
_Address = IPv4Address | IPv6Address


async def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises Unreachable when it has none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(f"`{host}` is not known: {error.strerror or error}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class PublicOnly(httpx2.AsyncBaseTransport):
    """Carries requests to the host of `url`, if it is public or in one of the `allowed` networks.

    Raises Refused for what is no URL of HTTP.
    """

    def __init__(
        self, url: str, allowed: Sequence[str] = (), *, resolve: Resolve = resolved
    ) -> None:
        self._host = _host_of(url)
        self._allowed = [ip_network(each) for each in allowed]
        self._resolve = resolve
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)
        self._addresses: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the address that was judged. Raises Refused, Unreachable and what httpx2
        raises.
        """
        host, port = request.url.host, request.url.port or _port(request.url.scheme)
        if host.casefold() != self._host:
            raise Refused(f"`{self._host}` leads to another host, `{host}`")
        if not self._addresses:
            self._addresses = self._judged(host, await self._resolve(host, port))
        trouble: Exception = Unreachable(f"`{host}` has no address")
        for address in self._addresses:
            try:
                return await self._send(request, address)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                trouble = error
        raise trouble

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    async def _send(self, request: httpx2.Request, address: str) -> httpx2.Response:
        """Send it there; the name stays in `Host`, and is what the certificate must be for."""
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        answer = await self._inner.handle_async_request(pinned)
        stream = answer.stream
        if isinstance(stream, httpx2.AsyncByteStream):
            answer.stream = _Bounded(stream)
        return answer

    def _judged(self, host: str, addresses: list[str]) -> list[str]:
        """Return the addresses. Raises Refused when one of them is not for requests to reach."""
        for each in addresses:
            address = ip_address(each.partition("%")[0])
            if not is_public(address) and not any(address in net for net in self._allowed):
                raise Refused(
                    f"`{host}` is at {each}, which is not a public address",
                    hint="`mcp.privateNetworks` of the Server allows networks",
                )
        return addresses


class _Bounded(httpx2.AsyncByteStream):
    """The body of an answer, up to what one may be."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._stream:
            read += len(piece)
            if read > MOST:
                raise httpx2.ReadError(f"the answer is longer than {MOST} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def is_public(address: _Address) -> bool:
    """Say whether anybody on the internet reaches it; addresses within others count as those."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _host_of(url: str) -> str:
    """Return the host of a URL. Raises Refused for what is no address HTTP can be spoken to."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"`{url[:200]}` is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Refused(f"`{url[:200]}` should be an http or https URL")
    if parts.username is not None:
        raise Refused("a URL must not have a user or password in it", hint="send `headers`")
    return host.casefold()


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80
