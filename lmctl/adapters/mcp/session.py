"""One connection to a tool server, held by a task of its own.

The SDK's client may only be left by the task that entered it, and whatever goes wrong leaves it as
a group of errors, or as a cancellation of that task. So one task owns it; calls come from anywhere
and end when the connection does. Nothing here waits for ever: a mute server is left in time.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from lmctl.adapters.mcp import asks, words
from lmctl.adapters.mcp.noticing import noticing
from lmctl.adapters.mcp.targets import Dial, Target, dials
from lmctl.base.errors import LmctlError, Unreachable
from lmctl.base.tools import ToolAnswer, ToolOffer, said

if TYPE_CHECKING:
    from mcp import Client

CONNECT: Final = 30.0  # seconds a server may take to say what it offers
_LEAVE: Final = 10.0  # seconds a server may take to end before it is given up
_MOST_PAGES: Final = 100
# A traceback per stray line of a server helps nobody: what is worth knowing is told to `tell`.
logging.getLogger("mcp").setLevel(logging.CRITICAL)


def nothing(*_: object) -> None:
    """Tell nobody."""


class ToolSession:
    """A connection to `target`; `gone` is set when it has ended, `why` says how.

    It must be connected within `patience` seconds. Every `period` seconds (None: never) its tools
    are listed anew, which also proves that it is alive; `changed` is called when they are others.
    `tell` hears what a server says or asks for.
    """

    def __init__(
        self,
        target: Target,
        *,
        patience: float = CONNECT,
        period: float | None = None,
        changed: Callable[[], object] = nothing,
        tell: Callable[[str], object] = nothing,
    ) -> None:
        self.tools: tuple[ToolOffer, ...] = ()
        self.protocol = ""
        self.why = "it was not connected"
        self.gone = asyncio.Event()
        self._target = target
        self._patience = patience
        self._period = period
        self._changed = changed
        self._tell = tell
        self._client: Client | None = None
        self._stale = asyncio.Event()
        self._leave = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and list the tools. Raises LmctlError (of what `target` brings) and Unreachable."""
        first: LmctlError | None = None
        for dial in dials(self._target):
            opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.gone.clear()
            self._owner = asyncio.create_task(self._own(dial, opened))
            try:
                await opened
            except Unreachable as error:
                first = first or error
                if not isinstance(error.__cause__, Exception) or not words.speaks_otherwise(error):
                    break
            else:
                return
        raise first or Unreachable(self.why)

    async def call(self, tool: str, arguments: dict[str, Any], *, seconds: float) -> ToolAnswer:
        """Return what a tool answers; that it cannot be had in time is an answer too.

        Raises Unreachable when the connection ended before it answered.
        """
        if self._client is None or self.gone.is_set():
            raise Unreachable(f"the connection ended: {self.why}")
        asked = asyncio.ensure_future(
            self._client.call_tool(tool, arguments, read_timeout_seconds=seconds)
        )
        ended = asyncio.ensure_future(self.gone.wait())
        try:
            await asyncio.wait({asked, ended}, timeout=seconds, return_when="FIRST_COMPLETED")
            if asked.done():
                return words.answer_of(asked.result())
            if ended.done():
                raise Unreachable(f"the connection ended: {self.why}")
            return said(f"`{tool}` did not answer within {seconds:g} s", failed=True)
        except words.errors() as error:
            if words.connection_closed(error):
                self.lose(words.told(error))
                raise Unreachable(f"the connection ended: {self.why}") from error
            return said(words.told(error), failed=True)
        finally:
            for each in (asked, ended):
                each.cancel()
            await asyncio.wait({asked, ended}, timeout=1.0)

    async def close(self) -> None:
        """End it; a server that does not let go is given up. Safe to call twice."""
        self._leave.set()
        owner = self._owner
        if owner is None:
            return
        for _ in range(2):
            await asyncio.wait({owner}, timeout=_LEAVE)
            if owner.done():
                return
            owner.cancel()
        self._tell("it did not let go of its connection in time")

    async def _own(self, dial: Dial, opened: asyncio.Future[None]) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._patience):
                    client = await self._connected(stack, dial)
                self._client = client
                await stack.enter_async_context(self._tended(client))
                opened.set_result(None)
                await self._leave.wait()
        except BaseException as error:  # noqa: BLE001 - the SDK tells trouble by any of them
            if not self._leave.is_set():
                self.why = self._reason(error)
            if not opened.done():
                opened.set_exception(self._refusal(error))
        finally:
            self._client = None
            self.gone.set()
            if opened.done() and not opened.cancelled():
                opened.exception()  # whoever waited may have left

    async def _connected(self, stack: AsyncExitStack, dial: Dial) -> "Client":
        from mcp import Client

        def ended() -> None:
            self.lose("the server ended the connection")

        client = await stack.enter_async_context(
            Client(
                noticing(dial(), ended),
                read_timeout_seconds=self._patience,
                message_handler=self._heard,
                **asks.answers(self._tell),
            )
        )
        self.protocol = client.protocol_version
        self.tools = await _all_tools(client)
        return client

    async def _heard(self, message: Any) -> None:
        if words.says_tools_changed(message):
            self._stale.set()
        elif isinstance(message, Exception):
            self._tell("it wrote something to standard output that is no message")

    @asynccontextmanager
    async def _tended(self, client: "Client") -> AsyncIterator[None]:
        """Keep the list of tools fresh meanwhile, where somebody wants that."""
        tasks = set()
        if self._period is not None:
            tasks = {
                asyncio.create_task(self._listen(client)),
                asyncio.create_task(self._list_again(client, self._period)),
            }
        try:
            yield
        finally:
            for each in tasks:
                each.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_LEAVE)

    async def _listen(self, client: "Client") -> None:
        """Hear of changed tools in the newer era of the protocol; the older one tells unasked."""
        with suppress(*words.errors()):
            async with client.listen(tools_list_changed=True) as told:
                async for _ in told:
                    self._stale.set()
        self._stale.set()  # what was told since nobody listened is not told again

    async def _list_again(self, client: "Client", period: float) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(period):
                    await self._stale.wait()
            self._stale.clear()
            try:
                async with asyncio.timeout(self._patience):
                    tools = await _all_tools(client)
            except words.errors() as error:
                self.lose(f"its tools cannot be listed: {words.told(error)}")
                return
            if tools != self.tools:
                self.tools = tools
                self._changed()

    def lose(self, why: str) -> None:
        """Give the connection up, calls that wait for it included; the first reason counts."""
        if not self._leave.is_set():
            self.why = why
        self._leave.set()
        self.gone.set()

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return f"it said nothing within {self._patience:g} s"
        if isinstance(error, asyncio.CancelledError):
            return "the connection broke"
        return words.told(error)

    def _refusal(self, error: BaseException) -> LmctlError:
        """Return what whoever opens it is told: our own refusals as they are."""
        for each in words.flat(error):
            if isinstance(each, LmctlError):
                return each
        refusal = Unreachable(self._reason(error))
        refusal.__cause__ = error
        return refusal


async def _all_tools(client: "Client") -> tuple[ToolOffer, ...]:
    """Return every tool, past what the SDK remembers, each name once."""
    found: dict[str, ToolOffer] = {}
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        for each in page.tools:
            found.setdefault(each.name, words.offer_of(each))
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(found.values())
