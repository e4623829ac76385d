"""What MLX does with each setting: one list of those it passes over, told as warnings, and one of
those that only MLX acts on.

Whoever makes one work with MLX deletes its row here. Settings that no engine acts on yet are told
by `not_yet`.
"""

from collections.abc import Mapping
from typing import Final

_ONE_GPU: Final = "on Apple silicon all of a model is on the one GPU"
_NO_SUCH: Final = "mlx-lm has no such sampler"
_ONE_WAY: Final = "MLX decides that itself"
_OWN_ROWS: Final = "keys and values are kept as the model computes them, a row for each prediction"

PASSED_OVER: Final[Mapping[str, str]] = {
    "load.gpuSplitConfig": _ONE_GPU,
    "llm.load.llama.acceleration.offloadRatio": _ONE_GPU,
    "llm.load.llama.cpuThreadPoolSize": _ONE_WAY,
    "llm.load.llama.evalBatchSize": "`physicalBatchSize` is how much is read in a step",
    "llm.load.llama.flashAttention": _ONE_WAY,
    "llm.load.llama.kCacheQuantizationType": _OWN_ROWS,
    "llm.load.llama.keepModelInMemory": "weights are always in memory",
    "llm.load.llama.ropeFrequencyBase": "the model's own is used",
    "llm.load.llama.ropeFrequencyScale": "the model's own is used",
    "llm.load.llama.tryDirectIO": _ONE_WAY,
    "llm.load.llama.tryMmap": "weights are always in memory",
    "llm.load.llama.useFp16ForKVCache": _OWN_ROWS,
    "llm.load.llama.vCacheQuantizationType": _OWN_ROWS,
    "llm.load.numCpuExpertLayersRatio": _ONE_GPU,
    "llm.load.numExperts": "the model's own number is used",
    "llm.load.offloadKVCacheToGpu": _ONE_GPU,
    "llm.load.useUnifiedKvCache": _OWN_ROWS,
    "llm.prediction.llama.locallyTypicalSampling": _NO_SUCH,
    "llm.prediction.llama.mirostatSampling": _NO_SUCH,
}
"""The settings that llama.cpp acts on and MLX does not, with why."""

OWN: Final[Mapping[str, str]] = {
    "llm.load.mlx.kvCacheQuantization": "it is for MLX; llama.cpp has `kCacheQuantizationType`",
}
"""The settings that MLX acts on and llama.cpp does not, with why."""
