"""How much memory an instance takes, before it is loaded.

weights + KV cache + compute buffers. The cache's size per token comes from the weights' header
and is exact for llama.cpp (design/parts.md 8: equal to its own log to the byte); layers with a
sliding window hold the window only.
"""

from lmctl.base.spec import LoadSettings
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


def memory(facts: ModelFacts | None, load: LoadSettings) -> int | None:
    """Return the bytes an instance will take, or None while the weights' header is not known."""
    if facts is None:
        return None
    cells = load.context_length * (1 if load.unified_kv else load.parallel)
    scale = (_KV_SCALE.get(load.kv_key_type, 1.0) + _KV_SCALE.get(load.kv_value_type, 1.0)) / 2
    cache = int(cells * facts.kv_bytes_per_token * scale)
    return facts.weights_size + cache + _COMPUTE
