"""POST /api/v1/models/load and /unload (contract 1.8, 1.9), carried out by the control plane.

Unlike LM Studio's, a load of what is loaded answers the instance there is and makes no second one.
What a file declares is neither loaded otherwise nor unloaded: 409, naming the file.
"""

import time
from typing import Any, TypeVar

import msgspec
from falcon.asgi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lmctl.api.catalogue import NoSuchModel
from lmctl.api.closing import exchange_of
from lmctl.api.control import call_daemon, refuse_strangers
from lmctl.api.errors import JSON_TYPE
from lmctl.api.native_reading import parse_native
from lmctl.api.reading import read_body
from lmctl.base.errors import BadRequest, Conflict, EngineFailed, LmctlError
from lmctl.serving.gateway import Gateway

_SETTINGS = {
    "context_length": "contextLength",
    "eval_batch_size": "evalBatchSize",
    "flash_attention": "flashAttention",
    "num_experts": "numExperts",
    "offload_kv_cache_to_gpu": "offloadKVCacheToGpu",
    "parallel": "parallel",
}
_ECHOED = ("context_length", "eval_batch_size", "flash_attention", "offload_kv_cache_to_gpu")
_Body = TypeVar("_Body", bound=BaseModel)


class LoadBody(BaseModel):
    """What is asked to be loaded."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(min_length=1)
    context_length: int | None = Field(None, ge=1)
    eval_batch_size: int | None = Field(None, ge=1)
    flash_attention: bool | None = None
    num_experts: int | None = Field(None, ge=1)
    offload_kv_cache_to_gpu: bool | None = None
    parallel: int | None = Field(None, ge=1)
    echo_load_config: bool = False

    def settings(self) -> dict[str, Any]:
        """Return what is given, as an Instance has it."""
        given = {ours: getattr(self, theirs) for theirs, ours in _SETTINGS.items()}
        return {key: value for key, value in given.items() if value is not None}


class UnloadBody(BaseModel):
    """What is asked to be unloaded."""

    model_config = ConfigDict(extra="forbid", strict=True)

    instance_id: str = Field(min_length=1)


class LoadModel:
    """Answers once it is loaded."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await _body(req, self._gateway, LoadBody)
        began = time.monotonic()
        wish = {"model": body.model, "load": body.settings(), "wait": True}
        answer = await _ask(self._gateway, "POST", "/instances", wish)
        told: dict[str, Any] = {
            "type": "llm",
            "instance_id": answer["identifier"],
            "load_time_seconds": round(time.monotonic() - began, 3),
            "status": "loaded",
        }
        if body.echo_load_config:
            given = body.model_dump(exclude_none=True)
            facts = answer["object"]["facts"]
            told["load_config"] = {"context_length": facts["contextLength"]} | {
                key: given[key] for key in _ECHOED if key in given and key != "context_length"
            }
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode(told)


class UnloadModel:
    """Answers once it is gone."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await _body(req, self._gateway, UnloadBody)
        answer = await _ask(self._gateway, "DELETE", f"/instances/{body.instance_id}")
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode({"instance_id": answer["identifier"]})


async def _body(req: Request, gateway: Gateway, kind: type[_Body]) -> _Body:
    """Return the body. Raises as `parse_native` does, and Refused for an unknown caller who is not on
    this machine.
    """
    if not exchange_of(req).principal.proven:
        refuse_strangers(req)
    return parse_native(kind, await read_body(req, gateway.snapshot().surface.limits))


async def _ask(gateway: Gateway, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Return what the control plane answers. Raises what it says no with."""
    socket = gateway.snapshot().surface.control_socket
    status, answer = await call_daemon(socket, method, path, body)
    if status < 400:
        return answer
    told = answer.get("error") or {}
    message, hint = told.get("message") or f"the control plane answered {status}", told.get("hint")
    raise _error(status, told.get("code"), message, hint)


def _error(status: int, code: str | None, message: str, hint: str | None) -> LmctlError:
    match status, code:
        case 404, _:
            return NoSuchModel(message, hint=hint)
        case 409, "declared":
            return Conflict(message, hint=hint)
        case 409 | 400, _:
            return BadRequest(message, hint=hint)
        case _:
            return EngineFailed(message, hint=hint)
