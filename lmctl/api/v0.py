"""/api/v0/*, LM Studio's older API (contract 1.12): models with their state, and OpenAI's answers
with how they came about.
"""

from typing import Any, Final

import msgspec
from falcon.asgi import Request, Response

from lmctl.api.answered import Answered, AnswerEvent
from lmctl.api.answering import Writer
from lmctl.api.catalogue import NotListed
from lmctl.api.errors import JSON_TYPE
from lmctl.api.openai_shapes import draft_stats
from lmctl.api.rates import stop_reason, tokens_per_second
from lmctl.base.errors import LmctlError
from lmctl.base.talk import Finished
from lmctl.planning.known_models import KnownModel, ModelInstance
from lmctl.serving.gateway import Gateway

_FORMATS: Final = {"llama.cpp": ["gguf"], "mlx": ["mlx"]}
_TYPES: Final = {"llm": "llm", "embedding": "embeddings"}


class V0Models:
    """Every model that is here, loaded or not."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response) -> None:
        listing = [_entry(each) for each in self._gateway.models().models]
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode({"object": "list", "data": listing})


class V0Model:
    """One of them, by its key in any case or by the id of an instance; it may contain slashes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response, model: str) -> None:
        models = self._gateway.models().models
        for each in models:
            ids = [instance.identifier for instance in each.instances]
            if each.key.casefold() == model.casefold() or model in ids:
                resp.content_type = JSON_TYPE
                resp.data = msgspec.json.encode(_entry(each))
                return
        known = ", ".join(each.key for each in models) or "none"
        raise NotListed(f"no model named `{model}`", hint=f"known: {known}")


class V0Writer:
    """Writes what another writer does, with statistics where an answer ends."""

    def __init__(self, gateway: Gateway, inner: Writer, model: str) -> None:
        self._inner = inner
        self._about = _about(gateway, model)

    def begin(self) -> bytes:
        return self._inner.begin()

    def event(self, index: int, event: AnswerEvent) -> bytes:
        frames = self._inner.event(index, event)
        if not isinstance(event, Finished):
            return frames
        before, _, last = frames.removesuffix(b"\n\n").rpartition(b"data: ")
        return b"%bdata: %b\n\n" % (before, self._with(last, event))

    def end(self) -> bytes:
        return self._inner.end()

    def broken(self, error: LmctlError) -> bytes:
        return self._inner.broken(error)

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        return self._with(self._inner.whole(answers), answers[-1].finished)

    def _with(self, body: bytes, finished: Finished) -> bytes:
        told: dict[str, Any] = msgspec.json.decode(body)
        return msgspec.json.encode(told | {"stats": _stats(finished)} | self._about)


def _entry(model: KnownModel) -> dict[str, Any]:
    loaded = [each for each in model.instances if each.loaded]
    publisher = model.key.partition("/")[0]
    entry: dict[str, Any] = {
        "id": model.key,
        "object": "model",
        "type": "vlm" if model.vision else _TYPES[model.type],
        "publisher": publisher,
        "arch": model.architecture,
        "compatibility_type": model.format or None,
        "quantization": model.quantization,
        "state": "loaded" if loaded else "not-loaded",
        "max_context_length": model.context_length,
        "capabilities": ["tool_use"] if model.tool_use else [],
    }
    if loaded:
        entry["loaded_context_length"] = loaded[0].context_length
    return entry


def _about(gateway: Gateway, model: str) -> dict[str, Any]:
    """Return what is known of the instance behind a public name."""
    found = gateway.models().instance(gateway.leads_to(model))
    if found is None:
        return {"model_info": {}, "runtime": {}}
    return {"model_info": _model_info(*found), "runtime": _runtime(found[1])}


def _model_info(model: KnownModel, instance: ModelInstance) -> dict[str, Any]:
    return {
        "arch": model.architecture,
        "quant": model.quantization,
        "format": model.format or None,
        "context_length": instance.context_length,
    }


def _runtime(instance: ModelInstance) -> dict[str, Any]:
    return {
        "name": instance.engine,
        "version": instance.runtime_version,
        "supported_formats": _FORMATS.get(instance.engine, []),
    }


def _stats(finished: Finished) -> dict[str, Any]:
    stats: dict[str, Any] = {
        "tokens_per_second": tokens_per_second(finished),
        "time_to_first_token": finished.time_to_first_token,
        "generation_time": finished.generation_time,
        "stop_reason": stop_reason(finished),
    }
    return stats | draft_stats(finished.drafted)
