"""A tool server of this box: the daemon hosts it, and is asked over its control socket."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lmctl.api.control import call_daemon
from lmctl.base.errors import LmctlError, NotFound, Unreachable
from lmctl.base.tools import ToolAnswer, ToolOffer
from lmctl.serving.toolbox import Provider

_FAILED: Final = 400


@dataclass(frozen=True, slots=True)
class HostedServer:
    """A server the daemon behind `socket` hosts, with the tools it had when it was asked for."""

    socket: str
    provider: Provider
    tools: tuple[ToolOffer, ...]

    async def call(self, tool: str, arguments: dict[str, Any], *, seconds: float) -> ToolAnswer:
        """Return what a tool answers. Raises LmctlError when the server, or the daemon, is gone."""
        wish = {"tool": tool, "arguments": arguments, "seconds": seconds}
        path = f"/tools/{self.provider.label}/calls"
        return msgspec.convert(await _asked(self.socket, "POST", path, wish), ToolAnswer)


async def hosted(socket: str, label: str) -> HostedServer:
    """Return a server by its label. Raises NotFound, and Unreachable where it cannot be used now."""
    answer = await _asked(socket, "GET", f"/tools/{label}")
    tools = msgspec.convert(answer.get("tools", []), tuple[ToolOffer, ...])
    return HostedServer(socket, Provider(label), tools)


async def _asked(socket: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    status, answer = await call_daemon(socket, method, path, body)
    if status < _FAILED:
        return answer
    told = answer.get("error") or {}
    message = told.get("message") or f"the control plane answered {status}"
    kind: type[LmctlError] = NotFound if status == 404 else Unreachable
    raise kind(message, hint=told.get("hint"))
