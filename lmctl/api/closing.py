"""The outermost wrapper of the gateway's app: what a request owns, from its first to its last byte.

Falcon has no hook for "the last byte is out", walks away from an event stream without closing it,
and looks for a lost client only after it has sent something. So all of that lives one step further
out, around the whole app, where leaving is the one thing every request does:

- an exit stack, closed when the request is truly over: finished, failed or hung up;
- a watch on `receive()`: a client that hangs up cancels its request at once, even while the
  engine is silent and nothing is being sent;
- a ping into an event stream that has been silent for a while, so that proxies keep it open and a
  client that vanished without a word is noticed. Each message of a stream is a whole event, so a
  ping between two messages never splits one, and a token costs no task and no timer;
- the request id, and one log line when it is over.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog
from falcon.asgi import Request

from lmctl.api.asked import Asked
from lmctl.api.leaving import AsgiApp, Client, Event, Receive, Scope, Send
from lmctl.api.principal import ANYBODY, Principal
from lmctl.api.request_id import request_id_of
from lmctl.planning.surface import Surface

PING = b": ping\n\n"
_KEY = "lmctl.exchange"
_PING_EVENT: Event = {"type": "http.response.body", "body": PING, "more_body": True}
_HUNG_UP = 499  # nginx's number for "the client left before there was an answer"

_log = structlog.get_logger("lmctl.access")


@dataclass(slots=True)
class Exchange:
    """One request and its answer: `stack` closes what it holds, `notes` go to its log line, `asked`
    counts it when it asks for text, `principal` is who asks, `surface` are the settings it came under.
    A stream is pinged after `silence` seconds without a byte. `limit` can end it: it `began` then, by
    the loop's clock.
    """

    stack: AsyncExitStack
    request_id: str
    silence: float
    limit: asyncio.Timeout
    began: float
    surface: Surface = field(default_factory=Surface)
    notes: dict[str, object] = field(default_factory=dict)
    asked: Asked | None = None
    principal: Principal = ANYBODY


def exchange_of(req: Request) -> Exchange:
    """Return the exchange a Falcon request belongs to."""
    exchange: Exchange = req.scope[_KEY]
    return exchange


def closing(app: AsgiApp, *, silence: float = 10.0) -> AsgiApp:
    """Wrap an ASGI app so that each request owns an exchange; pings after `silence` seconds."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()  # the handshake; closing before accepting refuses it with a 403
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        line = _Line(receive, send, silence=silence, request_id=request_id_of(scope["headers"]))
        try:
            async with asyncio.timeout(None) as limit, AsyncExitStack() as stack:
                scope[_KEY] = exchange = Exchange(
                    stack, line.request_id, silence, limit, asyncio.get_running_loop().time()
                )
                await line.serve(app, scope)
        except TimeoutError:
            # Over its time while it waited for the client to read on: the connection is closed.
            if not limit.expired():
                raise
            exchange.notes["error"] = "the request was over its time, and its client did not read"
        finally:
            if exchange.asked is not None:
                exchange.asked.over(line.status or _HUNG_UP)
            if exchange.surface.logs.requests != "off" or line.status >= 500:
                _log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=line.status or _HUNG_UP,
                    ms=round((time.perf_counter() - began) * 1000, 1),
                    request_id=line.request_id,
                    **({"hung_up": True} if line.gone else {}),
                    **exchange.notes,
                )

    return call


class _Line:
    """Both directions of one request's connection."""

    def __init__(self, receive: Receive, send: Send, *, silence: float, request_id: str) -> None:
        self.request_id = request_id
        self.status = 0
        self._client = Client(receive)
        self._send = send
        self._silence = silence
        self._clock = asyncio.get_running_loop().time
        self._pulse: asyncio.Task[None] | None = None
        self._saying = False
        self._spoke = 0.0

    @property
    def gone(self) -> bool:
        return self._client.gone

    async def serve(self, app: AsgiApp, scope: Scope) -> None:
        """Run the app until it is done or the client has left."""
        try:
            await self._client.serve(app, scope, self.say)
        finally:
            self._still()

    async def say(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self._start(event)
        elif not event.get("more_body", False):
            self._still()
        self._saying = True
        await self._send(event)
        self._saying = False
        self._spoke = self._clock()

    def _start(self, event: Event) -> None:
        self.status = event["status"]
        headers = event["headers"] = [
            *event["headers"],
            (b"x-request-id", self.request_id.encode("ascii")),
            (b"server", b"lmctl"),
        ]
        if any(n == b"content-type" and v.startswith(b"text/event-stream") for n, v in headers):
            self._pulse = asyncio.ensure_future(self._beat())

    async def _beat(self) -> None:
        self._spoke = self._clock()
        while True:
            wait = self._spoke + self._silence - self._clock()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                # A message that is being sent right now is stuck behind a slow reader: no silence.
                if not self._saying:
                    await self._send(_PING_EVENT)
                self._spoke = self._clock()

    def _still(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
