"""What computing one step takes: the buffers of llama.cpp's graph, which it reserves for the worst.

ggml lays the values of a graph out so that what is no longer needed is written over. The peak is
at the widest place of the widest block, so it is the largest of a few stages, each a sum of the
values alive there, per token of a step. The sums were read off the graphs and checked against what
llama.cpp reserves for fifty models (`tests/unit/fit/reserved.json`): from 8 % below to 25 % above.
"""

from typing import Final

from lmctl.base.spec import LoadSettings
from lmctl.planning.fit.cache import cells_per_stream, step_tokens, streams, window_cells
from lmctl.planning.model_facts import ModelFacts, Widths

_FLOAT: Final = 4
_QUANTIZED: Final = 1.14  # bytes a number takes when it is multiplied with a quantized matrix
_FIXED: Final = 64 * 1024
_HOLES: Final = 1.1  # scores are so large that what they leave behind is not filled up again


def compute_size(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes of all buffers that live as long as the context."""
    return graph_size(facts, load) + _workspace(facts.widths, _tokens(load)) + _words(facts, load)


def graph_size(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes llama.cpp says it reserves: for the graph, and for what a step says."""
    tokens = _tokens(load)
    peak = max(
        tokens * _forward(facts.widths),
        tokens * _experts(facts.widths),
        _attention(facts, load, tokens),
        _recurrent(facts, load, tokens),
        _output(facts, load, tokens),
    )
    holes = 1.0 if uses_flash_attention(load) else _HOLES
    graph = int(_FLOAT * peak * holes) + _masks(facts, load, tokens)
    return graph + logits(facts, load) + _FIXED


def _tokens(load: LoadSettings) -> int:
    return min(step_tokens(load), cells_per_stream(load) * streams(load))


def _masks(facts: ModelFacts, load: LoadSettings, tokens: int) -> int:
    """Return the bytes that say which token sees which: one table for all blocks that look alike."""
    each = 2 if uses_flash_attention(load) else _FLOAT
    windows = {e.window for e in facts.attention}
    cells = sum(
        window_cells(load, window, step_tokens(load)) if window else cells_per_stream(load)
        for window in windows
    )
    return (cells if facts.attention else tokens) * tokens * each


def logits(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes of what a step says: a number per word of the vocabulary and chosen token."""
    return facts.vocabulary * load.most_wanted * _FLOAT


def uses_flash_attention(load: LoadSettings) -> bool:
    """Say whether the attention is computed piece by piece; the engine does unless told not to."""
    return load.flash_attention is not False


def _words(facts: ModelFacts, load: LoadSettings) -> int:
    """Return the bytes a step of vectors adds to what is reserved: llama.cpp clears room for the
    words of every token whose vector is wanted, though there are none.
    """
    if not facts.embeds:
        return 0
    return facts.vocabulary * max(0, _tokens(load) - load.parallel) * _FLOAT


def _forward(w: Widths) -> float:
    """Both halves and their product, beside the input, what is added to it, and its norm."""
    halves = 3 if w.gated else 1
    beside = 3 * w.embedding + max(w.embedding, w.query)
    altered = 6 * w.embedding + w.per_layer if w.per_layer else 0  # Gemma 3n mixes four streams
    dense = halves * w.feed_forward + beside + altered
    shared = halves * w.shared + beside + 2 * w.embedding if w.shared else 0
    return max(dense if not w.experts or w.shared == 0 else 0, shared)


def _experts(w: Widths) -> float:
    if not w.experts:
        return 0.0
    inside = 3 * w.expert * w.experts_used + 3 * w.embedding + max(w.embedding, w.query)
    outside = 2 * w.embedding * w.experts_used + 3 * w.embedding + w.expert * w.experts_used
    return max(inside, outside)


def _attention(facts: ModelFacts, load: LoadSettings, tokens: int) -> float:
    w = facts.widths
    if not w.heads:
        return 0.0
    per_token = 3 * w.embedding + 2 * w.query + w.key + w.value
    if w.latent:
        per_token += 2 * w.latent
    if uses_flash_attention(load):
        return tokens * per_token
    seen = cells_per_stream(load) if facts.attention else tokens
    return tokens * (per_token + w.heads * seen)


def _recurrent(facts: ModelFacts, load: LoadSettings, tokens: int) -> float:
    if not facts.states:
        return 0.0
    w = facts.widths
    state = max(each.values for each in facts.states)
    # RWKV has no inner width of its own, but mixes its input many ways.
    mixed = 20 * w.embedding if not (w.inner or facts.attention) else 5 * w.embedding
    return tokens * (mixed + 4.75 * w.inner) + 1.25 * state * load.parallel


def _output(facts: ModelFacts, load: LoadSettings, tokens: int) -> float:
    outputs = tokens if facts.embeds and facts.attention else load.most_wanted
    return facts.vocabulary * outputs + 2 * facts.widths.embedding * tokens


def _workspace(w: Widths, tokens: int) -> int:
    """Return the bytes in which a step's numbers lie as matrices of quantized numbers want them."""
    widest = max(w.feed_forward, w.query, w.embedding, w.inner)
    return int(widest * tokens * _QUANTIZED)
