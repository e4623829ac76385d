"""GET /api/v1/models (contract 1.7): every model that is here, and what it is loaded as."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import msgspec
from falcon.asgi import Request, Response

from lmctl.api.errors import JSON_TYPE
from lmctl.planning.known_models import KnownModel, ModelInstance
from lmctl.serving.gateway import Gateway
from lmctl.serving.idle import remaining_ttl

_Ttl = Mapping[str, float]


class NativeModels:
    """One entry per model; its variants stand in it."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response) -> None:
        models = self._gateway.models().models
        instances = [each for model in models for each in model.instances]
        ttl = await remaining_ttl(self._gateway.snapshot().surface, instances)
        entries = [_entry(key, list(variants), ttl) for key, variants in groupby(models, key=_base)]
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode({"models": entries})


def _base(model: KnownModel) -> str:
    return model.key.partition("@")[0]


def _entry(key: str, variants: list[KnownModel], ttl: _Ttl) -> dict[str, Any]:
    """Return an entry; of several variants a loaded one speaks for all."""
    chosen = next((each for each in variants if _loaded(each)), variants[0])
    publisher, _, name = key.partition("/")
    entry: dict[str, Any] = {
        "type": chosen.type,
        "publisher": publisher,
        "key": key,
        "display_name": chosen.title or name,
        "quantization": _quantization(chosen),
        "size_bytes": chosen.size,
        "params_string": chosen.parameters or None,
        "loaded_instances": [each for model in variants for each in _instances(model, ttl)],
        "max_context_length": chosen.context_length,
        "format": chosen.format or None,
    }
    if chosen.type == "llm":
        entry["architecture"] = chosen.architecture or None
        entry["capabilities"] = _capabilities(chosen)
        entry["description"] = None
    if len(variants) > 1:
        entry["variants"] = [each.key for each in variants]
        entry["selected_variant"] = chosen.key
    return entry


def _loaded(model: KnownModel) -> bool:
    return any(each.loaded for each in model.instances)


def _quantization(model: KnownModel) -> dict[str, Any] | None:
    if not model.quantization:
        return None
    return {"name": model.quantization, "bits_per_weight": model.bits}


def _capabilities(model: KnownModel) -> dict[str, Any]:
    can: dict[str, Any] = {"vision": model.vision, "trained_for_tool_use": model.tool_use}
    if model.reasoning:
        default = "medium" if "medium" in model.reasoning else "on"
        can["reasoning"] = {"allowed_options": list(model.reasoning), "default": default}
    return can


def _instances(model: KnownModel, ttl: _Ttl) -> Iterator[dict[str, Any]]:
    for each in model.instances:
        if each.loaded:
            told: dict[str, Any] = {"id": each.identifier, "config": _config(model, each)}
            if each.name in ttl:
                told["remaining_ttl_seconds"] = round(ttl[each.name])
            yield told


def _config(model: KnownModel, instance: ModelInstance) -> dict[str, Any]:
    config: dict[str, Any] = {"context_length": instance.context_length}
    if model.type == "llm":
        config["parallel"] = instance.parallel
    if model.type == "llm" and instance.engine != "mlx":  # which passes the others over
        config["eval_batch_size"] = instance.eval_batch_size
        config["offload_kv_cache_to_gpu"] = instance.offload_kv_cache_to_gpu
        if instance.experts:
            config["num_experts"] = instance.experts
        if instance.flash_attention is not None:
            config["flash_attention"] = instance.flash_attention
    return config
