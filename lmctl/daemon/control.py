"""The daemon's own API on its unix socket: how things are, what happened, please reread.

    GET  /lmctl/v1/status            everything `lmctl status` shows
    GET  /lmctl/v1/status?watch=1    the same, one JSON line now and after every change
    GET  /lmctl/v1/events?after=N    events, oldest first; with watch=1 one JSON line each, for ever;
                                     for=KIND[/NAME] and level=warning tell fewer; who accepts
                                     text/event-stream gets those, and Last-Event-ID goes on from it
    GET  /lmctl/v1/metrics           its metrics in Prometheus' exposition format
    POST /lmctl/v1/apply             {"roots": [...], "allowPrune": 0} follow these folders; failures
                                     are forgiven, so many objects may be gone;
                                     with "only": [...] nothing but these objects is worked on
                                     {"plan": {...}} do exactly that; 412 says what moved since
    POST /lmctl/v1/instances         {"model", "identifier", "load", "ttl", "wait"} load it by hand;
                                     with "on_demand": true for a request, answered once it serves
    DELETE /lmctl/v1/instances/NAME  unload what was loaded by hand
    GET  /lmctl/v1/tools/LABEL       the tools of a hosted tool server
    POST /lmctl/v1/tools/LABEL/calls {"tool", "arguments", "seconds"} call one; content parts of MCP
    POST /lmctl/v1/tools/LABEL/retry connect again now
    /lmctl/v1/hub, /lmctl/v1/downloads   models of the hub, see control_downloads
    POST /lmctl/v1/reconcile         look again now
    POST /lmctl/v1/rollback          {"generation": N or null, "by", "reason"} bring it back and hold
    POST /lmctl/v1/suspend           {"subject", "reason", "by", "until"} leave it alone
    POST /lmctl/v1/resume            {"what": a subject, "hold" or "all", "by"} end that
    POST /lmctl/v1/shutdown          {"keep": false} end the daemon; keep=true leaves runners serving

The gateway forwards the same paths, management only for callers on this machine.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import falcon
import falcon.asgi
import falcon.media
import msgspec
from falcon.asgi import Request, Response

from lmctl.adapters.metrics.making import CONTENT_TYPE
from lmctl.adapters.state.events import LEVELS, Event, Filter
from lmctl.base.errors import LmctlError
from lmctl.daemon.box import Box
from lmctl.daemon.control_asked import asked, tell_error
from lmctl.daemon.control_downloads import add_download_routes
from lmctl.daemon.control_instances import InstanceResource, InstancesResource
from lmctl.daemon.control_tools import add_tool_routes
from lmctl.daemon.control_wishes import (
    ResumeResource,
    RollbackResource,
    SuspendResource,
)
from lmctl.planning.plan_file import PlanFile
from lmctl.planning.report import BoxStatus

_QUIET = 1.0  # seconds after which a watcher gets a line although nothing changed
_CALM = 0.1  # seconds between two lines, however much changes
_LINES = "application/x-ndjson"
_SSE = "text/event-stream"

App = falcon.asgi.App[Request, Response]


class StatusResource:
    """How things are."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._written: tuple[BoxStatus, bytes] | None = None

    async def on_get(self, req: Request, resp: Response) -> None:
        if not req.get_param_as_bool("watch"):
            resp.content_type = falcon.MEDIA_JSON
            resp.data = self._status()
            return
        resp.content_type = _LINES
        resp.stream = self._lines()

    async def _lines(self) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        while True:
            number, begun = self._box.changes.number, clock()
            line = self._status() + b"\n"
            took = clock() - begun
            yield line
            # Of a large box that changes all the time a watcher costs a fifth of a core at most.
            await asyncio.sleep(max(_CALM, 4 * took))
            await self._box.changes.after(number, seconds=_QUIET)

    def _status(self) -> bytes:
        """Return the status as JSON, written once for as long as it stays the same."""
        status = self._box.status()
        if self._written is None or self._written[0] is not status:
            self._written = status, msgspec.json.encode(status)
        return self._written[1]


class EventsResource:
    """What happened: once, as lines, or as server-sent events to whoever accepts those."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_get(self, req: Request, resp: Response) -> None:
        wanted = _filter(req)
        after = req.get_param_as_int("after", min_value=0, default=0)
        if req.accept == _SSE:
            told = req.get_header("Last-Event-ID") or ""
            resp.content_type = _SSE
            resp.set_header("cache-control", "no-cache")
            resp.stream = self._pieces(int(told) if told.isdigit() else after, wanted, _sse)
        elif req.get_param_as_bool("watch"):
            resp.content_type = _LINES
            resp.stream = self._pieces(after, wanted, _line)
        else:
            resp.media = {"events": self._box.store.events.after(after, wanted=wanted)}

    async def _pieces(
        self, after: int, wanted: Filter, write: Callable[[Event], bytes]
    ) -> AsyncIterator[bytes]:
        while True:
            number = self._box.changes.number
            for event in self._box.store.events.after(after, wanted=wanted):
                after = max(after, event.id)
                yield write(event)
            await self._box.changes.after(number, seconds=_QUIET)


def _filter(req: Request) -> Filter:
    level = req.get_param("level", default="info")
    if level not in LEVELS:
        raise falcon.HTTPBadRequest(description=f"level: expected one of {', '.join(LEVELS)}")
    return Filter(req.get_param("for", default=""), level)


def _line(event: Event) -> bytes:
    return msgspec.json.encode(event) + b"\n"


def _sse(event: Event) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (
        event.id,
        event.reason.encode(),
        msgspec.json.encode(event),
    )


class MetricsResource:
    """What the control plane counts; the gateway adds its own to it."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = CONTENT_TYPE
        resp.data = self._box.metrics.text()


class Apply(msgspec.Struct, frozen=True, rename="camel"):
    """What is asked: to follow these folders, and how many of their objects may be gone; or to do
    what a plan says.
    """

    roots: tuple[str, ...] | None = None
    only: tuple[str, ...] = ()
    allow_prune: int = 0
    plan: PlanFile | None = None


class ApplyResource:
    """Follow these folders, or do exactly what a plan says."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, req: Request, resp: Response) -> None:
        wish = await asked(req, Apply)
        if wish.plan is not None:
            resp.media = await self._box.apply_plan(wish.plan)
        elif wish.roots is not None:
            resp.media = await self._box.follow(wish.roots, wish.only, allow_prune=wish.allow_prune)
        else:
            raise falcon.HTTPBadRequest(description='expected {"roots": ["/absolute/folder", …]}')


class ReconcileResource:
    """Look again now, and forget past failures."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, _req: Request, resp: Response) -> None:
        self._box.again()
        resp.media = {"ok": True}


class ShutdownResource:
    """End the daemon."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await req.get_media(default_when_empty={})
        self._box.ask_to_stop(keep=bool(isinstance(body, dict) and body.get("keep", False)))
        resp.media = {"ok": True}


def create_app(box: Box) -> App:
    """Return the control app; it is served on a socket only the owner can reach."""
    app: App = falcon.asgi.App()
    json = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
    app.req_options.media_handlers[falcon.MEDIA_JSON] = json
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = json
    app.add_error_handler(LmctlError, tell_error)
    app.add_route("/lmctl/v1/status", StatusResource(box))
    app.add_route("/lmctl/v1/events", EventsResource(box))
    app.add_route("/lmctl/v1/metrics", MetricsResource(box))
    app.add_route("/lmctl/v1/apply", ApplyResource(box))
    app.add_route("/lmctl/v1/reconcile", ReconcileResource(box))
    app.add_route("/lmctl/v1/rollback", RollbackResource(box))
    app.add_route("/lmctl/v1/suspend", SuspendResource(box))
    app.add_route("/lmctl/v1/resume", ResumeResource(box))
    app.add_route("/lmctl/v1/instances", InstancesResource(box))
    app.add_route("/lmctl/v1/instances/{name:path}", InstanceResource(box))
    add_tool_routes(app, box.tools.host)
    add_download_routes(app, box)
    app.add_route("/lmctl/v1/shutdown", ShutdownResource(box))
    return app
