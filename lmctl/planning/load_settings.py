"""Flat `llm.load.*` keys (contract 3.2) -> the settings a runner is started with."""

from collections.abc import Iterator, Mapping
from typing import Any

from lmctl.base.changes import ChangeClass
from lmctl.base.spec import PROMPT_LOOKUP, GpuSplit, LoadSettings
from lmctl.manifests.settings_keys import OWN_DEFAULTS, by_key
from lmctl.planning.field_text import shown
from lmctl.planning.plan import FieldChange

_FIELDS = {
    "llm.load.contextLength": "context_length",
    "llm.load.numParallelSessions": "parallel",
    "llm.load.useUnifiedKvCache": "unified_kv",
    "llm.load.offloadKVCacheToGpu": "offload_kv",
    "llm.load.seed": "seed",
    "llm.load.llama.cpuThreadPoolSize": "threads",
    "llm.load.llama.evalBatchSize": "batch_size",
    "llm.load.llama.physicalBatchSize": "physical_batch_size",
    "llm.load.llama.flashAttention": "flash_attention",
    "llm.load.llama.keepModelInMemory": "keep_in_memory",
    "llm.load.llama.tryMmap": "use_mmap",
    "llm.load.llama.reasoningBudgetMessage": "thought_ending",
    "llm.load.llama.tryDirectIO": "direct_io",
    "llm.load.numExperts": "experts",
    "llm.load.mlx.autoFit": "fit",  # the same wish; what the other key says comes before it
    "llm.load.llama.autoFit": "fit",
    "llm.load.autoFitMinContextLength": "fit_least",
    "llm.load.llama.ropeFrequencyBase": "rope_frequency_base",
    "llm.load.llama.ropeFrequencyScale": "rope_frequency_scale",
    "llm.load.llama.speculativeDecoding.draftMaxTokens": "draft_most",
    "llm.load.llama.speculativeDecoding.draftMinTokens": "draft_least",
    "llm.load.llama.speculativeDecoding.draftMinContinueProbability": "draft_least_probability",
}
_DRAFT_MODEL = "llm.load.llama.speculativeDecoding.draftModel"
_DRAFT_SIMPLE = "llm.load.llama.speculativeDecoding.draftSimple"
_CACHE_TYPES = {
    "llm.load.llama.kCacheQuantizationType": "kv_key_type",
    "llm.load.llama.vCacheQuantizationType": "kv_value_type",
}
_MLX_CACHE = "llm.load.mlx.kvCacheQuantization"
_RATIOS = {
    "llm.load.llama.acceleration.offloadRatio": ("offload_ratio", "max"),
    "llm.load.numCpuExpertLayersRatio": ("cpu_experts", "off"),
}
_SHARES = {"max": 1.0, "off": 0.0}
_HALF_CACHE = "llm.load.llama.useFp16ForKVCache"
_GPUS = "load.gpuSplitConfig"


def load_settings(values: Mapping[str, Any], *, keep_prefixes: bool = False) -> LoadSettings:
    """Return the settings; keys that are not about loading are passed over."""
    found: dict[str, Any] = {"context_length": OWN_DEFAULTS["llm.load.contextLength"]}
    for key, name in _FIELDS.items():
        if values.get(key) is not None:
            found[name] = values[key]
    usual = "f32" if values.get(_HALF_CACHE) is False else "f16"
    for key, name in _CACHE_TYPES.items():
        found[name] = values.get(key) or usual
    for key, (name, default) in _RATIOS.items():
        share = values.get(key, default)
        found[name] = _SHARES.get(share, share)
    found["gpus"] = _gpus(values.get(_GPUS) or {})
    found["drafter"] = _drafter(values)
    found["kv_quantized"] = _quantized(values.get(_MLX_CACHE))
    template = values.get("llm.load.promptTemplate")
    if isinstance(template, Mapping):
        found["chat_template"] = (template.get("jinjaPromptTemplate") or {}).get("template")
    return LoadSettings(**found, keep_prefixes=keep_prefixes)


def _quantized(asked: Mapping[str, Any] | None) -> tuple[int, int, int] | None:
    """Return bits, group size and start of MLX's cache; None where it is not quantized."""
    if not asked or not asked.get("enabled"):
        return None
    return asked.get("bits", 8), asked.get("groupSize", 64), asked.get("quantizedStart", 5000)


def _drafter(values: Mapping[str, Any]) -> str:
    """Return what guesses tokens: the model that is named, else the text itself where it is wanted."""
    model, wanted = values.get(_DRAFT_MODEL) or "", values.get(_DRAFT_SIMPLE)
    if wanted is False:
        return ""
    return model or (PROMPT_LOOKUP if wanted else "")


def _gpus(values: Mapping[str, Any]) -> GpuSplit:
    return GpuSplit(
        strategy=values.get("strategy", "evenly"),
        disabled=tuple(values.get("disabledGpus", ())),
        priority=tuple(values.get("priority", ())),
        ratio=tuple(values.get("customRatio", ())),
    )


def load_changes(
    old: LoadSettings, new: LoadSettings, places: Mapping[str, str]
) -> Iterator[FieldChange]:
    """Yield what differs, by the path it has in an Instance (`load.contextLength`).

    `places` are where values stand, by that path.
    """
    for field, path in _PATHS.items():
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            place = places.get(path, "")
            was, now = shown(before, none="default"), shown(after, none="default")
            yield FieldChange(path, was, now, ChangeClass.RELOAD, place)


def given_changes(old: LoadSettings, given: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Yield where settings given by full key differ from what there is; what is not given is no
    wish, so it is no difference.
    """
    new = load_settings(given)
    paths = {f"load.{setting.name}" for key in given if (setting := by_key(key))}
    yield from (each for each in load_changes(old, new, {}) if each.path in paths)


def _paths() -> Iterator[tuple[str, str]]:
    ratios = {key: name for key, (name, _) in _RATIOS.items()}
    others = {"llm.load.promptTemplate": "chat_template", _DRAFT_MODEL: "drafter", _GPUS: "gpus"}
    others[_MLX_CACHE] = "kv_quantized"
    for key, field in {**_FIELDS, **_CACHE_TYPES, **ratios, **others}.items():
        setting = by_key(key)
        yield field, f"load.{setting.name if setting else key}"
    yield "keep_prefixes", "residency.keepPrefixes"


_PATHS = dict(_paths())
