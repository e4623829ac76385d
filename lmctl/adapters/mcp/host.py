"""Every declared tool server of a box, held up side by side."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lmctl.adapters.mcp.hosted import FIRST_PAUSE, HostedServer
from lmctl.adapters.mcp.targets import Target
from lmctl.base.errors import NotFound
from lmctl.base.tools import ToolAnswer, ToolOffer
from lmctl.planning.seen_tools import SeenToolServer
from lmctl.planning.wanted_tools import WantedToolServer

TargetOf = Callable[[WantedToolServer], Awaitable[Target]]


class ToolHost:
    """Hosts what `follow` says. `target_of` finds what a declaration leads to, secrets included;
    `changed` is called whenever a server is another than before in any way. Logs lie in `logs`, one
    per server.
    """

    def __init__(
        self,
        target_of: TargetOf,
        *,
        logs: Path,
        changed: Callable[[], object],
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._target_of = target_of
        self._logs = logs
        self._changed = changed
        self._first_pause = first_pause
        self._servers: dict[str, HostedServer] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def follow(self, wanted: tuple[WantedToolServer, ...]) -> None:
        """Host these from now on: what is declared otherwise is replaced, what is the same goes on."""
        by_label = {each.label: each for each in wanted}
        for label, server in list(self._servers.items()):
            want = by_label.get(label)
            if want is None or want.digest != server.seen.digest:
                del self._servers[label]
                self._let_go(server)
        for label, want in by_label.items():
            if label not in self._servers:
                self._servers[label] = self._hosted(want)

    def seen(self) -> tuple[SeenToolServer, ...]:
        """Return how each is now."""
        return tuple(each.seen for each in self._servers.values())

    async def tools(self, label: str) -> tuple[ToolOffer, ...]:
        """Return what a server offers. Raises NotFound and NotReady."""
        return await self._known(label).tools()

    async def call(
        self, label: str, tool: str, arguments: dict[str, Any], *, seconds: float
    ) -> ToolAnswer:
        """Return what a tool answers. Raises NotFound, NotReady and Unreachable."""
        return await self._known(label).call(tool, arguments, seconds=seconds)

    def again(self, label: str) -> None:
        """Connect to a server again now. Raises NotFound."""
        self._known(label).again()

    async def close(self) -> None:
        """End every server."""
        self.follow(())
        while self._leaving:
            await asyncio.wait(self._leaving)

    def _known(self, label: str) -> HostedServer:
        if label not in self._servers:
            hint = "`lmctl get mcp` lists what is hosted"
            raise NotFound(f"no tool server `mcp/{label}` is hosted here", hint=hint)
        return self._servers[label]

    def _hosted(self, want: WantedToolServer) -> HostedServer:
        async def target() -> Target:
            return await self._target_of(want)

        log = self._logs / f"mcp-{want.label}.log"
        return HostedServer(
            want.name,
            want.digest,
            target,
            log=log,
            changed=self._changed,
            first_pause=self._first_pause,
        )

    def _let_go(self, server: HostedServer) -> None:
        task = asyncio.create_task(server.stop())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
