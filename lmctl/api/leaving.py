"""A client that hangs up ends its request at once, even while nothing is being sent.

Falcon looks for a lost client only after it has sent something, and the server swallows what is
sent to nobody: without this, a stream that nobody reads goes on for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
AsgiApp = Callable[..., Awaitable[None]]


class Client:
    """Whoever waits for one answer; `gone` once it hung up before it had all of it."""

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        self._owner = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None

    async def serve(self, app: AsgiApp, scope: Scope, send: Send) -> None:
        """Run the app until it is done or the client has left."""
        try:
            await app(scope, self.hear, send)
        except asyncio.CancelledError:
            if not self.gone:
                raise
        finally:
            if self._watch is not None:
                self._watch.cancel()
            # As asyncio.timeout does: a cancellation of our own making is taken back, and what
            # remains is somebody else's.
            if self.gone and self._owner is not None and self._owner.uncancel() > 0:
                raise asyncio.CancelledError

    async def hear(self) -> Event:
        """Pass a message on; once the body is complete only a hang-up can follow, so wait for it."""
        event = await self._receive()
        if not event.get("more_body", False) and self._watch is None:
            self._watch = asyncio.ensure_future(self._hang_up(event))
        return event

    async def _hang_up(self, event: Event) -> None:
        while event["type"] != "http.disconnect":
            event = await self._receive()
        self.gone = True
        if self._owner is not None:
            self._owner.cancel()


def reading_ends_with_the_client(app: AsgiApp) -> AsgiApp:
    """Wrap an app so that a GET, or the call of a tool, ends when its client leaves; what changes
    something here goes on.
    """

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"] == "GET" or _calls_a_tool(scope["path"])):
            await Client(receive).serve(app, scope, send)
        else:
            await app(scope, receive, send)

    return call


def _calls_a_tool(path: str) -> bool:
    return path.startswith("/lmctl/v1/tools/") and path.endswith("/calls")
