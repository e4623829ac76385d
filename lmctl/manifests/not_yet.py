"""What is read and checked, but not honoured by this version: one list, told as warnings.

Whoever makes something work deletes its row here (or adds its key to HONOURED).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests.instance import Instance
from lmctl.manifests.problems import shown_path
from lmctl.manifests.reading import Declared
from lmctl.manifests.settings_keys import by_key


@dataclass(frozen=True, slots=True)
class NotYet:
    """A field without effect. `quiet` is the value that asks for nothing, so needs no warning."""

    kind: str
    path: tuple[str, ...]
    quiet: Any


FIELDS: Final = (NotYet("Instance", ("spec", "placement", "labels"), {}),)

_NO_GUESSING_HEADS: Final = "the heads of a model that guess ahead are not run here"
# Settings that will not be acted on, and why not.
DECLINED: Final[Mapping[str, str]] = {
    "envVars": "runners are started with the daemon's own environment: set it there",
    "load.gpuStrictVramCap": "llama.cpp has no cap on a GPU's memory: leave layers out instead",
    "llm.load.llama.contextCheckpoints": "what a window or a state has passed is read again",
    **{
        f"llm.load.llama.speculativeDecoding.{tail}": _NO_GUESSING_HEADS
        for tail in ("draftMtp", "draftMtpSidecar", "draftDflashSidecar", "draftDsparkSidecar")
    },
}

# The settings runner and gateway act on; every other one is told to have no effect.
HONOURED: Final = frozenset(
    {
        "load.gpuSplitConfig",
        "llm.load.autoFitMinContextLength",
        "llm.load.contextLength",
        "llm.load.mlx.autoFit",
        "llm.load.mlx.kvCacheQuantization",
        "llm.load.numCpuExpertLayersRatio",
        "llm.load.numExperts",
        "llm.load.numParallelSessions",
        "llm.load.offloadKVCacheToGpu",
        "llm.load.promptTemplate",
        "llm.load.seed",
        "llm.load.useUnifiedKvCache",
        *(
            f"llm.load.llama.{tail}"
            for tail in (
                "acceleration.offloadRatio",
                "autoFit",
                "cpuThreadPoolSize",
                "evalBatchSize",
                "flashAttention",
                "kCacheQuantizationType",
                "keepModelInMemory",
                "physicalBatchSize",
                "reasoningBudgetMessage",
                "ropeFrequencyBase",
                "ropeFrequencyScale",
                "speculativeDecoding.draftMaxTokens",
                "speculativeDecoding.draftMinContinueProbability",
                "speculativeDecoding.draftMinTokens",
                "speculativeDecoding.draftModel",
                "speculativeDecoding.draftSimple",
                "tryDirectIO",
                "tryMmap",
                "useFp16ForKVCache",
                "vCacheQuantizationType",
            )
        ),
        *(
            f"llm.prediction.{tail}"
            for tail in (
                "contextOverflowPolicy",
                "llama.frequencyPenalty",
                "llama.locallyTypicalSampling",
                "llama.logitBias",
                "llama.mirostatSampling",
                "llama.presencePenalty",
                "llama.xtcProbability",
                "llama.xtcThreshold",
                "logProbs",
                "maxPredictedTokens",
                "minPSampling",
                "promptTemplate",
                "reasoning.budgetTokens",
                "reasoning.enableThinking",
                "reasoning.parsing",
                "repeatPenalty",
                "seed",
                "speculativeDecoding.draftModel",
                "speculativeDecoding.maxTokensToDraft",
                "speculativeDecoding.minContinueDraftingProbability",
                "speculativeDecoding.minDraftLengthToConsider",
                "stopStrings",
                "structured",
                "systemPrompt",
                "temperature",
                "toolNaming",
                "topKSampling",
                "topPSampling",
            )
        ),
    }
)


def without_effect(each: Declared) -> Iterator[Diagnostic]:
    """Yield a warning per thing an object asks for that this version does not do."""
    for row in FIELDS:
        if (
            row.kind == each.kind
            and each.given(row.path)
            and _value(each.value, row.path) != row.quiet
        ):
            yield _warning(each, row.path)
    if isinstance(each.value, Instance):
        for block, values in (
            ("load", each.value.spec.load),
            ("operation", each.value.spec.operation),
        ):
            for key, value in values.items():
                setting = by_key(key)
                if setting and key not in HONOURED and value != setting.default:
                    path = ("spec", block, *setting.name.split("."))
                    yield _warning(each, path, DECLINED.get(key))


def _warning(each: Declared, path: tuple[str, ...], why: str | None = None) -> Diagnostic:
    """Return the warning of a field that is for a later version, or for none: then it says `why`."""
    shown = f"`{shown_path(path[each.hidden :])}`"
    if why is not None:
        return diagnostics.warning(
            each.place(path), f"{shown} has no effect: {why}", "leave it out"
        )
    return diagnostics.warning(
        each.place(path),
        f"{shown} is read but has no effect yet",
        "leave it out, or keep it for a later version",
    )


def _value(value: Any, path: tuple[str, ...]) -> Any:
    """Return a part of an object in its normal form."""
    here = value.model_dump(mode="json", by_alias=True)
    for part in path:
        here = here[part]
    return here
