"""/lmctl/v1/*: the control plane's own API, passed on to the daemon's unix socket.

The gateway adds three rules: only this machine is answered, only what any of its users may do is
passed on, and what is said while the daemon is down.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import msgspec
from falcon.asgi import Request, Response

from lmctl.adapters.control_socket import async_transport
from lmctl.api.catalogue import ControlPlaneDown
from lmctl.api.closing import exchange_of
from lmctl.api.errors import JSON_TYPE
from lmctl.api.reading import read_body
from lmctl.base.addresses import is_loopback
from lmctl.base.errors import Refused
from lmctl.serving.gateway import Gateway

PREFIX = "/lmctl/v1"
_PASSED_ON = (
    "content-type",
    "accept",
    "authorization",
    "if-match",
    "if-none-match",
    "last-event-id",
)
_PASSED_BACK = ("content-type", "etag", "location", "retry-after", "cache-control")
# What the daemon's socket, open to its owner only, answers for every local user too.
ALLOWED = {
    ("GET", f"{PREFIX}/status"),
    ("GET", f"{PREFIX}/events"),
    ("POST", f"{PREFIX}/reconcile"),
}
# Watching events is silent for long, so only the first contact has a deadline.
_TIMEOUT = httpx2.Timeout(None, connect=2.0)


class Control:
    """Every path below the prefix."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def forward(self, req: Request, resp: Response | None, **_params: Any) -> None:
        """Answer with what the daemon answers (a Falcon sink)."""
        if resp is None:  # Falcon's way to hand a sink a WebSocket; `closing` lets none through
            raise Refused("the control API has no WebSockets")
        refuse_strangers(req)
        if (req.method, req.path.rstrip("/")) not in ALLOWED:
            raise Refused(
                f"{req.method} {req.path} is not served over TCP, where any user of this machine "
                "could send it",
                hint="use the `lmctl` command; it asks the daemon's own socket",
            )
        snapshot = self._gateway.snapshot()
        body = await read_body(req, snapshot.surface.limits)
        try:
            await _forward(req, resp, body=body, socket=snapshot.surface.control_socket)
        except ControlPlaneDown:
            if (req.method, req.path.rstrip("/")) != ("GET", f"{PREFIX}/status"):
                raise
            known = msgspec.to_builtins(snapshot.health)
            resp.content_type = JSON_TYPE
            resp.data = msgspec.json.encode({"control_plane": "down"} | known)


def refuse_strangers(req: Request) -> None:
    """Raise Refused unless the request was made on this machine, by a program or a local page.

    A page of some other site runs in a browser on this machine too, so its `Origin` or a rebound
    `Host` must be local as well; a proxy on this machine speaks for somebody else.
    """
    peer = req.scope.get("client")
    local = peer is None or is_loopback(peer[0])  # a unix socket has no peer address
    if req.get_header("Forwarded") or req.get_header("X-Forwarded-For"):
        local = False
    origin = req.get_header("Origin")
    if origin is not None:
        local = local and is_loopback(urlsplit(origin).hostname or "")
    if peer is not None:
        local = local and is_loopback(urlsplit(f"//{req.get_header('Host') or ''}").hostname or "")
    if not local:
        raise Refused(
            "the control API answers this machine itself only",
            hint="run `lmctl` on the box, or change the manifests it follows",
        )


async def ask_daemon(socket: str, path: str, *, seconds: float) -> bytes | None:
    """Return what the daemon answers to a GET below the prefix; None when it does not in time."""
    if not socket:
        return None
    transport = async_transport(socket)
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(transport=transport, timeout=seconds, trust_env=False) as client,
        ):
            answer = await client.get(f"http://lmctl{PREFIX}{path}")
    except (httpx2.HTTPError, TimeoutError):
        return None
    return answer.content if answer.is_success else None


async def call_daemon(
    socket: str, method: str, path: str, body: Any = None
) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON the daemon answers with below the prefix, however long it takes.

    Raises ControlPlaneDown.
    """
    if not socket:
        raise _down()
    transport = async_transport(socket)
    try:
        async with httpx2.AsyncClient(
            transport=transport, timeout=_TIMEOUT, trust_env=False
        ) as client:
            url = f"http://lmctl{PREFIX}{quote(path)}"
            answer = await client.request(method, url, json=body)
    except httpx2.TransportError as error:
        raise _down() from error
    try:
        return answer.status_code, msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return answer.status_code, {}


async def _forward(req: Request, resp: Response, *, body: bytes, socket: str) -> None:
    exchange = exchange_of(req)
    if not socket:
        raise _down()
    transport = async_transport(socket)
    client = httpx2.AsyncClient(transport=transport, timeout=_TIMEOUT, trust_env=False)
    await exchange.stack.enter_async_context(client)
    query = f"?{req.query_string}" if req.query_string else ""
    passed = {name: req.get_header(name) for name in _PASSED_ON}
    headers = {name: value for name, value in passed.items() if value is not None}
    request = client.build_request(
        req.method,
        f"http://lmctl{quote(req.path)}{query}",
        content=body,
        headers=headers | {"x-request-id": exchange.request_id},
    )
    try:
        answer = await client.send(request, stream=True)
    except httpx2.TransportError as error:
        raise _down() from error
    exchange.stack.push_async_callback(answer.aclose)
    resp.status = answer.status_code
    for name in _PASSED_BACK:
        if name in answer.headers:
            resp.set_header(name, answer.headers[name])
    resp.stream = await exchange.stack.enter_async_context(aclosing(_pieces(answer)))


async def _pieces(answer: httpx2.Response) -> AsyncGenerator[bytes, None]:
    async for piece in answer.aiter_bytes():
        yield piece


def _down() -> ControlPlaneDown:
    return ControlPlaneDown(
        "the control plane is down; loaded models go on being served",
        hint="start it with `lmctl daemon up`; `GET /lmctl/v1/status` tells what was last known",
    )
