"""From an error that was raised to an answer; what it is on the wire stands in `catalogue`."""

import math
from http import HTTPStatus
from typing import Any

import falcon
import msgspec
import structlog
from falcon.asgi import Request, Response

from lmctl.api.catalogue import (
    UnknownCaller,
    UnknownPath,
    WrongMethod,
    code_of,
    renderer_of,
    row_of,
)
from lmctl.api.closing import exchange_of
from lmctl.base.errors import BadRequest, LmctlError, NotReady

JSON_TYPE = "application/json; charset=utf-8"
_log = structlog.get_logger("lmctl.api")


async def on_lmctl_error(req: Request, resp: Response, error: LmctlError, _params: Any) -> None:
    """Answer an error of the tree."""
    resp.status = HTTPStatus(row_of(error).status)
    resp.content_type = JSON_TYPE
    resp.data = msgspec.json.encode(renderer_of(req.path)(error))
    if isinstance(error, NotReady):
        resp.set_header("retry-after", str(max(1, math.ceil(error.retry_after))))
    if isinstance(error, UnknownCaller):
        resp.set_header("www-authenticate", "Bearer")
    exchange = exchange_of(req)
    exchange.notes["error"] = str(error)
    if isinstance(error, UnknownPath | WrongMethod):
        _as_declared(req, resp, exchange.surface.compat.unknown_endpoint_status)
    if exchange.asked is not None:
        exchange.asked.rejected(code_of(error) or "bad_request")


def _as_declared(req: Request, resp: Response, status: int) -> None:
    """Let what no endpoint takes be a 200, as LM Studio has it, where the Server says so."""
    if status == 200:
        resp.status = HTTPStatus.OK
        told = f"Unexpected endpoint or method. ({req.method} {req.path})"
        resp.data = msgspec.json.encode({"error": told})
        _log.warning("an unknown endpoint is answered with a 200", method=req.method, path=req.path)


async def on_http_error(req: Request, resp: Response, error: falcon.HTTPError, params: Any) -> None:
    """Answer what Falcon itself refuses: unknown paths, wrong methods, broken requests."""
    await on_lmctl_error(req, resp, _translated(req, error), params)
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)


async def on_surprise(req: Request, resp: Response, error: Exception, params: Any) -> None:
    """Answer a defect of ours: the log has the traceback, the client has the id to ask for it."""
    exchange = exchange_of(req)
    _log.error("internal error", request_id=exchange.request_id, exc_info=error)
    await on_lmctl_error(req, resp, internal(exchange.request_id), params)


def internal(request_id: str) -> LmctlError:
    """Return what a client is told about a defect of ours."""
    return LmctlError("internal error", hint=f"the log has it under request {request_id}")


def _translated(req: Request, error: falcon.HTTPError) -> LmctlError:
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        allowed = ", ".join(
            sorted(set(dict(error.headers or {})["Allow"].split(", ")) - {"OPTIONS"})
        )
        return WrongMethod(f"{req.path} does not take {req.method}", hint=f"it takes {allowed}")
    if error.status_code == 404:
        return UnknownPath(f"unexpected endpoint or method: {req.method} {req.path}")
    return BadRequest(error.description or error.title or "the request is broken")
