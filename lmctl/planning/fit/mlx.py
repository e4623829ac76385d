"""What a model takes in MLX, by part: rows of keys and values, what a step computes with.

MLX gives memory back to itself, not to the system, while it works: what a step took once stays
taken until nobody is at work. The peak of a runner corrects the rest, as it does everywhere.
"""

from typing import Final, NamedTuple

from lmctl.base.spec import LoadSettings
from lmctl.planning.model_facts import ModelFacts

# Measured, x86-64 Linux, Python 3.11: a runner with MLX and mlx-lm's models (83 MiB before any
# model), and what MLX's libraries take while they compute.
PROCESS: Final = 120 * 1024 * 1024
WORD: Final = 520
"""Bytes per word of a vocabulary: twice in the tokenizer's maps, once as bytes."""
_PIECE: Final = 256
"""Tokens of a prompt that are read together, see `runner/mlx/engine`."""
_FLOAT: Final = 4
_KEPT: Final = 2
"""What was freed is kept for the next block: measured, against the values alive in one."""
_CHOOSING: Final = 4
"""Copies of what a step says while tokens are chosen from it."""


class Parts(NamedTuple):
    """Bytes."""

    weights: int
    cache: int
    compute: int
    overhead: int


def parts(facts: ModelFacts, load: LoadSettings) -> Parts:
    """Return what a model whose folder was read takes with its rows full."""
    return Parts(
        weights=facts.tensor_bytes,
        cache=_rows(facts, load),
        compute=_piece(facts, load) + facts.vocabulary * load.most_wanted * _FLOAT * _CHOOSING,
        overhead=PROCESS + facts.vocabulary * WORD,
    )


def _rows(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes of all rows: blocks with a window keep everything as well."""
    plain = _FLOAT if facts.quantization == "F32" else 2.0
    most = plain * load.context_length
    if load.kv_quantized is not None:
        bits, group, begin = load.kv_quantized
        packed = bits / 8 + 2 * plain / group  # each group has a scale and an offset
        most = max(packed * load.context_length, plain * min(begin, load.context_length))
    per_token = sum((each.key + each.value) * each.layers for each in facts.attention)
    return int(per_token * most) * load.parallel


def _piece(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes of the widest block while it reads a piece of a prompt."""
    w = facts.widths
    scores = 2 * w.heads * load.context_length
    per_token = 4 * w.embedding + 2 * w.query + w.key + w.value + 3 * w.feed_forward + scores
    return min(_PIECE, load.context_length) * per_token * _FLOAT * _KEPT
