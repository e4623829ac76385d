"""What every error is on the wire: one table, and a renderer per dialect.

    /v1/*, /api/v0/*     OpenAI     {"error": {"message", "type", "param", "code"}}
    /v1/messages*        Anthropic  {"type": "error", "error": {"type", "message"}}
    /api/v1/*            native     {"error": {"type", "message", "code", "param"}}
    everything else      OpenAI's shape

Statuses, types and codes are contract 1.3; the wording is ours. A `BadRequest` may bring a code of
its own (`context_length_exceeded`, …), which then stands in place of the table's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from lmctl.serving.stored import UnknownTurn


class UnknownPath(NotFound):
    """No endpoint has this path."""


class NotListed(NotFound):
    """The listing has no model of this id."""


class WrongMethod(Refused):
    """The endpoint exists and does not take this method."""


class TooLarge(Refused):
    """The body is over the limit."""


class TooSlow(Refused):
    """The body did not come in time."""


class Overdue(LmctlError):
    """The whole request took longer than the Server allows."""


class WrongMedia(Refused):
    """The body is of a kind no endpoint reads."""


class ControlPlaneDown(Unreachable):
    """Only the control plane can answer this, and it does not."""


class UnknownCaller(Refused):
    """Nobody may ask here without a token, and none that is known was shown."""


class MissingScope(Refused):
    """The token that was shown is known and does not allow this."""


class NoSuchModel(NotFound):
    """The native API knows no model, or no loaded instance, of this name."""


class NoSuchJob(NotFound):
    """No download of this id is remembered."""


class NoSuchResponse(NotFound):
    """No response of this id is remembered."""


class NoIntegrations(Refused):
    """This request may not use a tool server; `param` is the field that asks for one."""

    def __init__(self, message: str, *, param: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class ToolServerUnreachable(Unreachable):
    """A tool server the request asks for cannot be used now; `param` is the field that does."""

    def __init__(self, message: str, *, param: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class PluginUnreachable(ToolServerUnreachable):
    """It is one of this box."""


class McpUnreachable(ToolServerUnreachable):
    """It is one the request brings."""


class McpRefused(Refused):
    """It is one the request brings, at an address requests may not reach."""

    def __init__(self, message: str, *, param: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class MissingParameter(BadRequest):
    """A field of the native API that must be given is not."""


class UnrecognizedKeys(BadRequest):
    """The native API takes no such fields."""


class InvalidJson(BadRequest):
    """The body is not JSON."""


@dataclass(frozen=True, slots=True)
class Row:
    """What an error is on the wire: the status, its type in each dialect, and its code."""

    status: int
    openai: str
    native: str
    anthropic: str
    code: str | None


def _asker(
    status: int,
    code: str | None,
    *,
    native: str = "invalid_request",
    anthropic: str = "invalid_request_error",
) -> Row:
    """Return a row for what the asker did wrong."""
    return Row(status, "invalid_request_error", native, anthropic, code)


def _ours(
    status: int, code: str, *, native: str = "internal_error", anthropic: str = "api_error"
) -> Row:
    """Return a row for what is wrong on this side."""
    return Row(status, "server_error", native, anthropic, code)


def _tools(native: str) -> Row:
    """Return a row for a tool server that cannot be reached."""
    return Row(502, "external_connector_error", native, "api_error", "http_error")


_MISSING = "not_found_error"

# The first row whose class fits: children stand before their parents.
TABLE: tuple[tuple[type[LmctlError], Row], ...] = (
    (InvalidJson, _asker(400, "invalid_json")),
    (UnknownModel, _asker(400, "model_not_found", anthropic=_MISSING)),
    (NotListed, _asker(404, "model_not_found", anthropic=_MISSING)),
    (UnknownPath, _asker(404, "unknown_endpoint", anthropic=_MISSING)),
    (NoSuchModel, _asker(404, "model_not_found", native="model_not_found", anthropic=_MISSING)),
    (NoSuchJob, _asker(404, "job_not_found", native="job_not_found", anthropic=_MISSING)),
    (UnknownTurn, _asker(404, "previous_response_not_found", anthropic=_MISSING)),
    (NoSuchResponse, _asker(404, "response_not_found", anthropic=_MISSING)),
    (NotFound, _asker(404, "not_found", anthropic=_MISSING)),
    (WrongMethod, _asker(405, "method_not_allowed")),
    (TooSlow, _asker(408, "request_timeout", anthropic="timeout_error")),
    (TooLarge, _asker(413, "request_too_large", anthropic="request_too_large")),
    (WrongMedia, _asker(415, "unsupported_media_type")),
    (MissingParameter, _asker(400, "missing_required_parameter")),
    (UnrecognizedKeys, _asker(400, "unrecognized_keys")),
    (Conflict, _asker(409, "declared")),
    (BadRequest, _asker(400, None)),
    (UnknownCaller, _asker(401, "invalid_api_key", anthropic="authentication_error")),
    (MissingScope, _asker(403, "missing_scope", anthropic="permission_error")),
    (NoIntegrations, _asker(403, None)),
    (
        McpRefused,
        _asker(403, "refused", native="mcp_connection_error", anthropic="permission_error"),
    ),
    (Refused, _asker(403, "refused", anthropic="permission_error")),
    (
        Busy,
        Row(429, "rate_limit_error", "internal_error", "rate_limit_error", "queue_full"),
    ),
    (NotReady, _ours(503, "model_not_ready", anthropic="overloaded_error")),
    (PluginUnreachable, _tools("plugin_connection_error")),
    (McpUnreachable, _tools("mcp_connection_error")),
    (ControlPlaneDown, _ours(503, "control_plane_down")),
    (Unreachable, _ours(503, "unreachable", anthropic="overloaded_error")),
    (Overdue, _ours(504, "deadline_exceeded", anthropic="timeout_error")),
    (IntegrityError, _ours(500, "integrity")),
    (EngineFailed, _ours(500, "engine_failed")),
    (LmctlError, _ours(500, "internal_error", native="unknown")),
)


def row_of(error: LmctlError) -> Row:
    """Return the row of the table an error belongs to."""
    return next(row for kind, row in TABLE if isinstance(error, kind))


def code_of(error: LmctlError) -> str | None:
    """Return what programs know an error by: its own code, else that of its row."""
    own = error.code if isinstance(error, BadRequest) else None
    return own or row_of(error).code


def param_of(error: LmctlError) -> str | None:
    """Return the field an error is about."""
    if isinstance(error, UnknownModel | NotListed):
        return "model"
    if isinstance(error, NoIntegrations | ToolServerUnreachable | McpRefused):
        return error.param
    if isinstance(error, UnknownTurn):
        return "previous_response_id"
    return error.param if isinstance(error, BadRequest) else None


def message_of(error: LmctlError) -> str:
    """Return what a person is told, the hint included."""
    return f"{error}. Hint: {error.hint}" if error.hint else str(error)


def openai_error(error: LmctlError) -> dict[str, Any]:
    """Return the error in OpenAI's shape, nulls present."""
    return {
        "error": {
            "message": message_of(error),
            "type": row_of(error).openai,
            "param": param_of(error),
            "code": code_of(error),
        }
    }


def native_error(error: LmctlError) -> dict[str, Any]:
    """Return the error in the shape of LM Studio's own API."""
    return {
        "error": {
            "type": row_of(error).native,
            "message": message_of(error),
            "code": code_of(error),
            "param": param_of(error),
        }
    }


def anthropic_error(error: LmctlError) -> dict[str, Any]:
    """Return the error in Anthropic's shape; it has no place for a field or a code."""
    told = {"type": row_of(error).anthropic, "message": message_of(error)}
    return {"type": "error", "error": told}


def renderer_of(path: str) -> Callable[[LmctlError], dict[str, Any]]:
    """Return how errors are told in the dialect a path belongs to."""
    if path.startswith("/api/v1/"):
        return native_error
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return anthropic_error
    return openai_error
