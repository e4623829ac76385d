"""POST /api/v1/models/load and /unload (contract 1.8, 1.9), carried out by the control plane.

Unlike LM Studio's, a load of what is loaded answers the instance there is and makes no second one.
What a file declares is neither loaded otherwise nor unloaded: 409, naming the file.
"""

import time
from typing import Any

import msgspec
from falcon.asgi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lmctl.api.errors import JSON_TYPE
from lmctl.api.managing import ask, body_of
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
        body = await body_of(req, self._gateway, LoadBody)
        began = time.monotonic()
        wish = {"model": body.model, "load": body.settings(), "wait": True}
        answer = await ask(self._gateway, "POST", "/instances", wish)
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
        body = await body_of(req, self._gateway, UnloadBody)
        answer = await ask(self._gateway, "DELETE", f"/instances/{body.instance_id}")
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode({"instance_id": answer["identifier"]})
