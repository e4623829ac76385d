"""How much memory an instance takes, before it is loaded: weights, cache, compute, overhead."""

from enum import StrEnum

import msgspec

from lmctl.base.spec import EngineName, LoadSettings
from lmctl.planning.observed import ModelFacts

# Bytes per value relative to f16 (2 bytes): block sizes of ggml's quantised types.
_KV_SCALE = {
    "f32": 2.0,
    "f16": 1.0,
    "q8_0": 34 / 64,
    "q5_1": 24 / 64,
    "q5_0": 22 / 64,
    "q4_1": 20 / 64,
    "q4_0": 18 / 64,
    "iq4_nl": 18 / 64,
}
# Measured on CPU for models of 0.1 to 0.5 B at a physical batch of 512: 19 to 41 MiB.
_COMPUTE = 40 * 1024 * 1024
_OVERHEAD = 80 * 1024 * 1024


class Confidence(StrEnum):
    """How far to trust an estimate: from a measurement of the same spec to a mere file size."""

    MEASURED = "measured"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Estimate(msgspec.Struct, frozen=True, rename="camel"):
    """Bytes an instance takes at its peak, by what they are for.

    `mapped` is the part of `weights` that lies in the page cache: instances of the same file
    share it. `learned` is what measurements add to (or take from) the rest.
    """

    weights: int
    cache: int
    compute: int
    overhead: int
    mapped: int = 0
    learned: int = 0
    confidence: Confidence = Confidence.HIGH

    @property
    def total(self) -> int:
        """Return all of it."""
        return self.weights + self.cache + self.compute + self.overhead + self.learned


def estimate(
    facts: ModelFacts | None, load: LoadSettings, engine: EngineName = "llama.cpp"
) -> Estimate | None:
    """Return what an instance will take, or None while nothing is known of its weights."""
    if engine == "echo":
        return Estimate(0, 0, 0, _OVERHEAD, confidence=Confidence.HIGH)
    if facts is None:
        return None
    cells = load.context_length * (1 if load.unified_kv else load.parallel)
    scale = (_KV_SCALE.get(load.kv_key_type, 1.0) + _KV_SCALE.get(load.kv_value_type, 1.0)) / 2
    return Estimate(
        weights=facts.weights_size,
        cache=int(cells * facts.kv_bytes_per_token * scale),
        compute=_COMPUTE,
        overhead=_OVERHEAD,
        mapped=facts.weights_size if load.use_mmap else 0,
    )


def memory(
    facts: ModelFacts | None, load: LoadSettings, engine: EngineName = "llama.cpp"
) -> int | None:
    """Return the bytes an instance will take, or None while nothing is known of its weights."""
    found = estimate(facts, load, engine)
    return found.total if found else None
