"""One ranged GET: redirects walked by hand, secrets kept at home, every answer given a meaning.

A secret header goes to the origin it was meant for and to no other; a redirect that leaves https
is refused. What went wrong is told without user, password or query of the address.
"""

import base64
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2

from lmctl.adapters.outbound import leave_for
from lmctl.base.addresses import bare_url
from lmctl.base.errors import NotFound, Refused, Unreachable

# httpx2 logs whole addresses at INFO, and signed download addresses are secrets.
logging.getLogger("httpx2").setLevel(logging.WARNING)

_REDIRECTS: Final = 5
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Address:
    """Where to get a file: `headers` may be secret and are sent to the origin of `url` only."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Address({bare_url(self.url)})"


class TryAgain(Exception):
    """The server may do better next time; `wait` is what it asked for, in seconds.

    `silent`: not one byte of an answer came; `busy`: it answered that it has too much to do.
    """

    def __init__(
        self, reason: str, *, wait: float | None = None, silent: bool = False, busy: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.silent = silent
        self.busy = busy


@asynccontextmanager
async def get(
    client: httpx2.AsyncClient, address: Address, extra: Mapping[str, str]
) -> AsyncIterator[httpx2.Response]:
    """Give an answer of status 200, 206 or 416 with its body still to come.

    Raises NotFound, Refused, or TryAgain. `extra` are headers without secrets (Range).
    """
    home = url = _parse(address.url)
    for _ in range(_REDIRECTS + 1):
        leave_for(str(url))
        secret = _secrets(address, home) if _origin(url) == _origin(home) else {}
        headers = {"Accept-Encoding": "identity", **secret, **extra}
        request = client.build_request("GET", url.copy_with(userinfo=b""), headers=headers)
        response = await client.send(request, stream=True)
        try:
            if response.is_redirect:
                url = _next(url, response)
                continue
            _check(response)
            yield response
        finally:
            await response.aclose()
        return
    raise Refused(f"{bare_url(address.url)} redirects more than {_REDIRECTS} times")


def explain(error: httpx2.HTTPError, host: str) -> TryAgain:
    """Return what a broken exchange means, in words without library names."""
    match error:
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return TryAgain(f"{host} does not accept a connection", silent=True)
        case httpx2.ConnectError():
            return TryAgain(f"cannot reach {host} ({_cause(error)})", silent=True)
        case httpx2.ReadTimeout():
            return TryAgain(f"{host} went silent")
        case httpx2.RemoteProtocolError() | httpx2.ReadError():
            return TryAgain(f"{host} broke the connection")
    return TryAgain(f"{host}: {type(error).__name__}")


def host_of(address: str) -> str:
    """Return host and port of an address, for messages."""
    url = _parse(address)
    return url.netloc.decode("ascii")


def _parse(address: str) -> httpx2.URL:
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise Refused(f"{bare_url(address)!r} is not an address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise Refused(
            f"{bare_url(address)!r} is not an http or https address",
            hint="write the whole address, as in https://example.org/file.gguf",
        )
    return url


def _secrets(address: Address, home: httpx2.URL) -> dict[str, str]:
    if not home.userinfo:
        return dict(address.headers)
    words = f"{home.username}:{home.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(words).decode()}", **address.headers}


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _next(url: httpx2.URL, response: httpx2.Response) -> httpx2.URL:
    target = url.join(response.headers.get("Location", ""))
    leads = f"{bare_url(str(url))} redirects to {bare_url(str(target))}"
    if target.scheme not in {"http", "https"}:
        raise Refused(f"{leads}, which is not an http or https address")
    if (url.scheme, target.scheme) == ("https", "http"):
        hint = "name an https address that stays https"
        raise Refused(f"{leads}, which is not encrypted", hint=hint)
    return target


def _check(response: httpx2.Response) -> None:
    """Let 200, 206 and 416 pass; raise what any other status means."""
    status, where = response.status_code, bare_url(str(response.request.url))
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    match status:
        case 200 | 206 if encoding != "identity":
            raise Refused(f"{where} sends the file {encoding}-encoded though asked not to")
        case 200 | 206 | 416:
            return
        case 404 | 410:
            raise NotFound(f"{where} does not exist (status {status})")
        case 401 | 403:
            raise Refused(
                f"{where} refuses access (status {status})",
                hint="check the credentials for this host, and that they may read this file",
            )
        case _ if status in _LATER:
            wait = _retry_after(response)
            raise TryAgain(
                f"{host_of(str(response.request.url))} answers {status}", wait=wait, busy=True
            )
    raise Refused(f"{where} answers status {status}")


def _retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds of a Retry-After header, in either of its two forms; None without one."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        asked = parsedate_to_datetime(text)
        now = parsedate_to_datetime(response.headers["Date"])
    except (ValueError, KeyError, TypeError):
        return None  # absent or nonsense: our own back-off is as good
    return max((asked - now).total_seconds(), 0.0)


def _cause(error: BaseException) -> str:
    """Return the operating system's word for it (`Connection refused`), from the inmost cause."""
    inmost: BaseException = error
    while (deeper := inmost.__cause__ or inmost.__context__) is not None:
        inmost = deeper
    if isinstance(inmost, socket.gaierror):
        return str(inmost.strerror).lower()
    if isinstance(inmost, OSError) and not isinstance(inmost, ssl.SSLError):
        # asyncio puts the address where the reason should be; the number is still right.
        return os.strerror(inmost.errno).lower() if inmost.errno else str(inmost).lower()
    return (str(inmost) or str(error) or type(inmost).__name__).lower()


def unreachable(reason: str) -> Unreachable:
    """Return the error for a source that did not answer, with the usual hint."""
    return Unreachable(reason, hint="check the network, or add a source this machine can reach")
