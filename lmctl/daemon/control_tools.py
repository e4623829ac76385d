"""The part of the control API by which the gateway reaches the tool servers this box hosts."""

from typing import Any

import falcon.asgi
import msgspec
from falcon.asgi import Request, Response

from lmctl.adapters.mcp.host import ToolHost
from lmctl.daemon.control_asked import asked


def add_tool_routes(app: "falcon.asgi.App[Request, Response]", host: ToolHost) -> None:
    """Serve the tools of a host."""
    app.add_route("/lmctl/v1/tools/{label}", ToolsResource(host))
    app.add_route("/lmctl/v1/tools/{label}/calls", ToolCallsResource(host))
    app.add_route("/lmctl/v1/tools/{label}/retry", ToolRetryResource(host))


class ToolsResource:
    """What a server offers."""

    def __init__(self, host: ToolHost) -> None:
        self._host = host

    async def on_get(self, _req: Request, resp: Response, label: str) -> None:
        resp.media = {"tools": await self._host.tools(label)}


class ToolCall(msgspec.Struct, frozen=True):
    """What is asked: a tool, its arguments, and the seconds it may take."""

    tool: str
    arguments: dict[str, Any] = {}
    seconds: float = 60.0


class ToolCallsResource:
    """Call a tool of a server."""

    def __init__(self, host: ToolHost) -> None:
        self._host = host

    async def on_post(self, req: Request, resp: Response, label: str) -> None:
        wish = await asked(req, ToolCall)
        resp.media = await self._host.call(label, wish.tool, wish.arguments, seconds=wish.seconds)


class ToolRetryResource:
    """Try a server again now, whatever was in its way before."""

    def __init__(self, host: ToolHost) -> None:
        self._host = host

    async def on_post(self, _req: Request, resp: Response, label: str) -> None:
        self._host.again(label)
        resp.media = {"ok": True}
