"""What endpoints that the control plane carries out have in common: who may ask, how it says no."""

from typing import Any, TypeVar

from falcon.asgi import Request
from pydantic import BaseModel

from lmctl.api.catalogue import NoSuchModel
from lmctl.api.closing import exchange_of
from lmctl.api.control import call_daemon, refuse_strangers
from lmctl.api.native_reading import parse_native
from lmctl.api.reading import read_body
from lmctl.base.errors import BadRequest, Conflict, EngineFailed, LmctlError, NotFound
from lmctl.serving.gateway import Gateway

_Body = TypeVar("_Body", bound=BaseModel)


async def body_of(req: Request, gateway: Gateway, kind: type[_Body]) -> _Body:
    """Return the body. Raises as `parse_native` does, and Refused for an unknown caller who is not on
    this machine.
    """
    if not exchange_of(req).principal.proven:
        refuse_strangers(req)
    return parse_native(kind, await read_body(req, gateway.snapshot().surface.limits))


async def ask(
    gateway: Gateway,
    method: str,
    path: str,
    body: Any = None,
    *,
    missing: type[NotFound] = NoSuchModel,
    broken: type[LmctlError] = EngineFailed,
) -> dict[str, Any]:
    """Return what the control plane answers.

    Raises `missing` for what it does not know, `broken` for what went wrong there, Conflict or
    BadRequest for what it will not do.
    """
    socket = gateway.snapshot().surface.control_socket
    status, answer = await call_daemon(socket, method, path, body)
    if status < 400:
        return answer
    told = answer.get("error") or {}
    message, hint = told.get("message") or f"the control plane answered {status}", told.get("hint")
    match status, told.get("code"):
        case 404, _:
            raise missing(message, hint=hint)
        case 409, "declared":
            raise Conflict(message, hint=hint)
        case 409 | 400, _:
            raise BadRequest(message, hint=hint)
    raise broken(message, hint=hint)
