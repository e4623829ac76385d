"""From the error tree to a status and a body, in the dialect of the path that was asked.

    /v1/*                OpenAI     {"error": {"message", "type", "param", "code"}}
    /v1/messages         Anthropic  {"type": "error", "error": {"type", "message"}}
    /api/v1/*            native     {"error": {"type", "message", "code", "param"}}
    everything else      OpenAI's shape

Statuses, types and codes are contract 1.3; the wording is ours.
"""

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import falcon
import msgspec
import structlog
from falcon.asgi import Request, Response

from lmctl.api.closing import exchange_of
from lmctl.base.errors import (
    BadRequest,
    Busy,
    Conflict,
    EngineFailed,
    IntegrityError,
    LmctlError,
    NotFound,
    NotReady,
    Refused,
    Unreachable,
)
from lmctl.serving.routes import UnknownModel

JSON_TYPE = "application/json; charset=utf-8"
_log = structlog.get_logger("lmctl.api")


class UnknownPath(NotFound):
    """No endpoint has this path."""


class NotListed(NotFound):
    """The listing has no model of this id."""


class WrongMethod(Refused):
    """The endpoint exists and does not take this method."""


class TooLarge(Refused):
    """The body is over the limit."""


class WrongMedia(Refused):
    """The body is of a kind no endpoint reads."""


class ControlPlaneDown(Unreachable):
    """Only the control plane can answer this, and it does not."""


class NoSuchModel(NotFound):
    """The native API knows no model, or no loaded instance, of this name."""


class MissingParameter(BadRequest):
    """A field of the native API that must be given is not."""


class UnrecognizedKeys(BadRequest):
    """The native API takes no such fields."""


class InvalidJson(BadRequest):
    """The body is not JSON."""


@dataclass(frozen=True, slots=True)
class Row:
    """What an error is on the wire: HTTP status, OpenAI's type, native type, code."""

    status: int
    kind: str
    native: str
    code: str | None


# The first row whose class fits: children stand before their parents.
TABLE: tuple[tuple[type[LmctlError], Row], ...] = (
    (InvalidJson, Row(400, "invalid_request_error", "invalid_request", "invalid_json")),
    (UnknownModel, Row(400, "invalid_request_error", "invalid_request", "model_not_found")),
    (NotListed, Row(404, "invalid_request_error", "invalid_request", "model_not_found")),
    (UnknownPath, Row(404, "invalid_request_error", "invalid_request", "unknown_endpoint")),
    (NoSuchModel, Row(404, "invalid_request_error", "model_not_found", "model_not_found")),
    (NotFound, Row(404, "invalid_request_error", "invalid_request", "not_found")),
    (WrongMethod, Row(405, "invalid_request_error", "invalid_request", "method_not_allowed")),
    (TooLarge, Row(413, "invalid_request_error", "invalid_request", "request_too_large")),
    (WrongMedia, Row(415, "invalid_request_error", "invalid_request", "unsupported_media_type")),
    (
        MissingParameter,
        Row(400, "invalid_request_error", "invalid_request", "missing_required_parameter"),
    ),
    (UnrecognizedKeys, Row(400, "invalid_request_error", "invalid_request", "unrecognized_keys")),
    (Conflict, Row(409, "invalid_request_error", "invalid_request", "declared")),
    (BadRequest, Row(400, "invalid_request_error", "invalid_request", None)),
    (Refused, Row(403, "invalid_request_error", "invalid_request", "refused")),
    (Busy, Row(429, "rate_limit_error", "internal_error", "queue_full")),
    (NotReady, Row(503, "server_error", "internal_error", "model_not_ready")),
    (ControlPlaneDown, Row(503, "server_error", "internal_error", "control_plane_down")),
    (Unreachable, Row(503, "server_error", "internal_error", "unreachable")),
    (IntegrityError, Row(500, "server_error", "internal_error", "integrity")),
    (EngineFailed, Row(500, "server_error", "internal_error", "engine_failed")),
    (LmctlError, Row(500, "server_error", "unknown", "internal_error")),
)

_ANTHROPIC_KINDS = {404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error"}


def row_of(error: LmctlError) -> Row:
    """Return the row of the table an error belongs to."""
    return next(row for kind, row in TABLE if isinstance(error, kind))


def openai_body(error: LmctlError) -> dict[str, Any]:
    """Return the error in OpenAI's shape, nulls present."""
    row = row_of(error)
    return {
        "error": {
            "message": _message(error),
            "type": row.kind,
            "param": _param(error),
            "code": row.code,
        }
    }


def body_for(path: str, error: LmctlError) -> dict[str, Any]:
    """Return the error in the shape of the family a path belongs to."""
    row = row_of(error)
    if path.startswith("/api/v1/"):
        native = {"type": row.native, "message": _message(error)}
        return {"error": native | {"code": row.code, "param": _param(error)}}
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        fallback = "api_error" if row.status >= 500 else "invalid_request_error"
        kind = _ANTHROPIC_KINDS.get(row.status, fallback)
        return {"type": "error", "error": {"type": kind, "message": _message(error)}}
    return openai_body(error)


async def on_lmctl_error(req: Request, resp: Response, error: LmctlError, _params: Any) -> None:
    """Answer an error of the tree."""
    row = row_of(error)
    resp.status = HTTPStatus(row.status)
    resp.content_type = JSON_TYPE
    resp.data = msgspec.json.encode(body_for(req.path, error))
    if isinstance(error, NotReady):
        resp.set_header("retry-after", str(max(1, math.ceil(error.retry_after))))
    exchange = exchange_of(req)
    exchange.notes["error"] = str(error)
    if exchange.asked is not None:
        exchange.asked.rejected(row.code or "bad_request")


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


def _message(error: LmctlError) -> str:
    return f"{error}. Hint: {error.hint}" if error.hint else str(error)


def _param(error: LmctlError) -> str | None:
    if isinstance(error, UnknownModel | NotListed):
        return "model"
    return error.param if isinstance(error, BadRequest) else None
