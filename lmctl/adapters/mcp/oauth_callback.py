"""Where a browser comes back to after somebody agreed: one request to this machine, then it is over."""

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from lmctl.adapters.mcp.oauth import CALLBACK_PATH, CALLBACK_PORT
from lmctl.base.errors import Refused

if TYPE_CHECKING:
    from mcp.shared.auth import AuthorizationCodeResult

_LONGEST: Final = 16 * 1024  # bytes of a request
_PAGE: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b"
)
_DONE: Final = b"<p>lmctl has what it needs. You can close this page.</p>"
_NO: Final = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Callback:
    """Listens while it is entered. Raises Refused when the port is taken."""

    def __init__(self, port: int = CALLBACK_PORT) -> None:
        self._port = port
        self._answer: asyncio.Future[dict[str, str]] | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Callback":
        self._answer = asyncio.get_running_loop().create_future()
        try:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self._port, limit=_LONGEST
            )
        except OSError as error:
            raise Refused(
                f"port {self._port}, to which the browser comes back, is taken",
                hint="another login may be under way; end it and try again",
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def answer(self) -> "AuthorizationCodeResult":
        """Return what the browser brings. Raises Refused where somebody did not agree."""
        from mcp.shared.auth import AuthorizationCodeResult

        if self._answer is None:
            raise Refused("nobody listens for the browser")
        told = await self._answer
        if "code" not in told:
            why = told.get("error_description") or told.get("error") or "it brought no code"
            raise Refused(f"the login did not succeed: {why}")
        return AuthorizationCodeResult(
            code=told["code"], state=told.get("state"), iss=told.get("iss")
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
            words = head.split(b" ", 2)
            target = urlsplit(words[1].decode("ascii")) if len(words) == 3 else urlsplit("")
            if words[0] != b"GET" or target.path != CALLBACK_PATH:
                writer.write(_NO)
                return
            if self._answer is not None and not self._answer.done():
                given = parse_qs(target.query)
                self._answer.set_result({key: each[0] for key, each in given.items()})
            writer.write(_PAGE % (len(_DONE), _DONE))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            return
        finally:
            writer.close()
