"""A tool server a request brings: connected from here, for as long as the request lives."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from lmctl.adapters.mcp.public_only import PublicOnly
from lmctl.adapters.mcp.session import ToolSession
from lmctl.adapters.mcp.targets import RemoteTarget
from lmctl.api.tool_asks import ToolAsk
from lmctl.base.errors import Unreachable
from lmctl.base.tools import ToolAnswer, ToolOffer, definitions_size
from lmctl.planning.surface import ToolRules
from lmctl.serving.toolbox import Provider

_PATIENCE: Final = 15.0  # seconds it may take to say what it offers
_MOST: Final = 1024 * 1024  # bytes of definitions


@dataclass(frozen=True, slots=True)
class BroughtServer:
    """A server behind a session of its own."""

    provider: Provider
    session: ToolSession

    @property
    def tools(self) -> tuple[ToolOffer, ...]:
        return self.session.tools

    async def call(self, tool: str, arguments: dict[str, Any], *, seconds: float) -> ToolAnswer:
        """Return what a tool answers. Raises Unreachable when the connection is lost."""
        return await self.session.call(tool, arguments, seconds=seconds)


async def brought(ask: ToolAsk, rules: ToolRules, *, over: AsyncExitStack) -> BroughtServer:
    """Return the server a request brings, connected; `over` closes it.

    Raises Refused for an address requests may not reach, and Unreachable.
    """
    url = ask.url or ""
    network = PublicOnly(url, rules.private_networks)
    target = RemoteTarget(url, ask.headers, network=network)
    session = ToolSession(target, patience=_PATIENCE)
    over.push_async_callback(session.close)
    await session.open()
    if (size := definitions_size(session.tools)) > _MOST:
        raise Unreachable(f"its tools are described in {size} bytes, more than {_MOST}")
    return BroughtServer(Provider(ask.label, ephemeral=True), session)
