"""What clients are told of models: those that are here, and the instances they are loaded as.

Listing models must not need the control plane, so the daemon writes this down after every turn
(`run/models.json`) and gateway workers read it when they are asked. Nothing acts on it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from lmctl.base.spec import LoadSettings, Phase
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.gguf_names import base_name, is_projector, quantization
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.weights_values import Weights

MODELS_FILE: Final = "models.json"

_BITS: Final = re.compile(r"\d+")


class ModelInstance(msgspec.Struct, frozen=True):
    """An instance of a model. `ttl` are idle seconds after which it is unloaded, None for never;
    `flash_attention` None leaves it to the engine. `experts` is how many a token goes to, 0 for a
    model that has none.
    """

    name: str
    identifier: str
    loaded: bool
    engine: str
    runtime_version: str
    context_length: int
    parallel: int
    eval_batch_size: int
    flash_attention: bool | None
    offload_kv_cache_to_gpu: bool
    ttl: float | None = None
    experts: int = 0


class KnownModel(msgspec.Struct, frozen=True):
    """A model, or one variant of it (`publisher/name@quantization`). Sizes are in bytes, lengths in
    tokens; `file` is the name of its first file; 0, "" and an empty `reasoning` where nothing is
    known or there is none.
    """

    key: str
    type: Literal["llm", "embedding"] = "llm"
    title: str = ""
    architecture: str = ""
    quantization: str = ""
    size: int = 0
    parameters: str = ""
    context_length: int = 0
    format: Literal["gguf", "mlx", ""] = ""
    vision: bool = False
    tool_use: bool = False
    reasoning: tuple[str, ...] = ()
    instances: tuple[ModelInstance, ...] = ()
    file: str = ""

    @property
    def path(self) -> str:
        """Return where it lies below the models folder: its file, or the folder of an MLX model;
        empty where no file is known.
        """
        folder = self.key.partition("@")[0]
        if not self.file:
            return ""
        return folder if self.format == "mlx" else f"{folder}/{self.file}"

    @property
    def bits(self) -> int | None:
        """Return the bits per weight that the quantization is named after."""
        found = _BITS.search(self.quantization)
        return int(found.group()) if found else None


class OtherModel(NamedTuple):
    """A model in the models folder that no manifest names: its first file, what its header says."""

    file: str
    facts: ModelFacts | None


class KnownModels(msgspec.Struct, frozen=True):
    """All of them, sorted by key."""

    models: tuple[KnownModel, ...] = ()

    def has(self, key: str) -> bool:
        """Say whether a model, in any variant, is one of them."""
        return any(each.key.partition("@")[0] == key for each in self.models)

    def instance(self, name: str) -> tuple[KnownModel, ModelInstance] | None:
        """Return an instance with its model, None when nothing is known of it."""
        for model in self.models:
            for each in model.instances:
                if each.name == name:
                    return model, each
        return None


def known_models(
    desired: DesiredState,
    observed: ObservedState,
    others: Mapping[str, OtherModel],
) -> KnownModels:
    """Return the models whose weights are here or loaded, `others` among them."""
    found = {each.key: each for each in _wanted(desired, observed)}
    for key, other in others.items():
        facts = other.facts or ModelFacts(quantization=key.partition("@")[2].upper())
        model = msgspec.structs.replace(_model(key, facts), file=other.file)
        found.setdefault(key, model)
    return KnownModels(tuple(found[key] for key in sorted(found)))


def _wanted(desired: DesiredState, observed: ObservedState) -> Iterator[KnownModel]:
    loaded: dict[str, list[ModelInstance]] = {}
    for each in desired.instances:
        loaded.setdefault(each.weights.key, []).append(_instance(each, observed))
    for weights in desired.weights:
        instances = tuple(loaded.get(weights.key, ()))
        if observed.seen_weights(weights.key).stored or any(each.loaded for each in instances):
            yield _of_weights(weights, observed, instances)


def _of_weights(
    weights: Weights, observed: ObservedState, instances: tuple[ModelInstance, ...]
) -> KnownModel:
    stored = observed.seen_weights(weights.key).stored
    files = stored.files if stored else ()
    facts = observed.facts.get(weights.key) or ModelFacts(
        weights_size=sum(each.size for each in files),
        quantization=quantization(files[0].name) or "" if files else "",
    )
    model = _model(weights.model, facts, instances)
    vision = any(is_projector(each.name) for each in files)
    first = base_name(files[0].name) if files else ""
    return msgspec.structs.replace(model, vision=vision, file=first)


def _model(key: str, facts: ModelFacts, instances: tuple[ModelInstance, ...] = ()) -> KnownModel:
    longest = max((each.context_length for each in instances), default=0)
    return KnownModel(
        key=key,
        type="embedding" if facts.embeds else "llm",
        title=facts.title,
        architecture=facts.architecture,
        quantization=facts.quantization,
        size=facts.weights_size,
        parameters=_people_say(facts.parameters),
        context_length=facts.context_length or longest,
        format=facts.format,
        tool_use=facts.tool_use,
        reasoning=facts.reasoning,
        instances=instances,
    )


def _instance(want: WantedInstance, observed: ObservedState) -> ModelInstance:
    serving = [each for each in observed.runners_of(want.name) if each.phase is Phase.READY]
    load = serving[0].load if serving else want.load
    wanted = observed.runtimes.get(want.runtime)
    version = wanted.version if wanted else ""
    return ModelInstance(
        name=want.name,
        identifier=want.identifier,
        loaded=bool(serving),
        engine=want.engine,
        runtime_version=(observed.version_of(serving[0]) if serving else "") or version,
        context_length=load.context_length,
        parallel=_slots(serving) or load.parallel,
        eval_batch_size=load.batch_size,
        flash_attention=load.flash_attention,
        offload_kv_cache_to_gpu=load.offload_kv,
        ttl=want.ttl,
        experts=_experts(observed.facts.get(want.weights.key), load),
    )


def _experts(facts: ModelFacts | None, load: LoadSettings) -> int:
    """Return how many experts a token goes to, 0 for a model that has none."""
    if facts is None or not facts.widths.experts:
        return 0
    return load.experts or facts.widths.experts_used


def _slots(serving: list[SeenRunner]) -> int:
    return serving[0].parallel if serving else 0


def _people_say(parameters: int) -> str:
    """Return a number of parameters as people say it: `7B`, `0.5B`, `135M`."""
    if parameters >= 10**10:
        return f"{parameters / 10**9:.0f}B"
    if parameters >= 10**8 * 4:
        return f"{parameters / 10**9:.1f}B".replace(".0B", "B")
    return f"{parameters / 10**6:.0f}M" if parameters >= 10**6 else ""
