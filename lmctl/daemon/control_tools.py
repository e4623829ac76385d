"""The part of the control API by which the gateway reaches the tool servers this box hosts."""

from typing import Any

import msgspec
from falcon.asgi import Request, Response

from lmctl.daemon.box import Box
from lmctl.daemon.control_asked import asked


class ToolsResource:
    """What a server offers."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_get(self, _req: Request, resp: Response, label: str) -> None:
        resp.media = {"tools": await self._box.tools.host.tools(label)}


class ToolCall(msgspec.Struct, frozen=True):
    """What is asked: a tool, its arguments, and the seconds it may take."""

    tool: str
    arguments: dict[str, Any] = {}
    seconds: float = 60.0


class ToolCallsResource:
    """Call a tool of a server."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, req: Request, resp: Response, label: str) -> None:
        wish = await asked(req, ToolCall)
        resp.media = await self._box.tools.host.call(
            label, wish.tool, wish.arguments, seconds=wish.seconds
        )


class ToolRetryResource:
    """Try a server again now, whatever was in its way before."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, _req: Request, resp: Response, label: str) -> None:
        self._box.tools.host.again(label)
        resp.media = {"ok": True}
