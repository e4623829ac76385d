"""What a context remembers: keys and values of every token, states of every sequence.

Exact for llama.cpp (0.3.36: llama-kv-cache.cpp, llama-kv-cache-iswa.cpp, llama-memory-recurrent.cpp),
which `tests/unit/fit` compares with its own numbers.
"""

from typing import Final

from lmctl.base.spec import LoadSettings
from lmctl.planning.model_facts import ModelFacts

# Types of cache: numbers per block and bytes per block (ggml-common.h).
BLOCKS: Final[dict[str, tuple[int, int]]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
}
_CELLS: Final = 256  # every cache is a multiple of this many cells
_STATE_BYTES: Final = 4


def cells_per_stream(load: LoadSettings) -> int:
    """Return how many tokens one stream of the cache has room for."""
    return _padded(load.context_length)


def streams(load: LoadSettings) -> int:
    """Return how many caches there are: one per sequence, or one that all of them share."""
    return 1 if load.unified_kv else load.parallel


def window_cells(load: LoadSettings, window: int, step: int) -> int:
    """Return the cells of a block that looks back through a window: it and one step of tokens."""
    sharing = load.parallel if load.unified_kv else 1
    return _padded(min(cells_per_stream(load), window * sharing + step))


def cache_size(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes of keys, values and states for all sequences."""
    step = step_tokens(load)
    # Without flash attention values lie across, and every block gets the rows of the widest.
    widest = max((e.value for e in facts.attention), default=0)
    across = load.flash_attention is False
    size = 0
    for each in facts.attention:
        cells = window_cells(load, each.window, step) if each.window else cells_per_stream(load)
        value = widest if across and each.value else each.value
        row = _row(each.key, load.kv_key_type) + _row(value, load.kv_value_type)
        size += each.layers * row * cells * streams(load)
    states = sum(each.layers * each.values for each in facts.states)
    return size + states * _STATE_BYTES * load.parallel


def step_tokens(load: LoadSettings) -> int:
    """Return how many tokens are computed together at most."""
    return min(load.physical_batch_size, max(load.batch_size, load.parallel + 1))


def _row(numbers: int, kind: str) -> int:
    """Return the bytes of so many numbers; a type nobody knows counts as f16."""
    per_block, block = BLOCKS.get(kind, BLOCKS["f16"])
    return -(-numbers // per_block) * block


def _padded(cells: int) -> int:
    return -(-cells // _CELLS) * _CELLS
