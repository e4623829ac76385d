"""Models that turn a text into a vector: how they are told, and what a context for one is made with.

Both who estimates memory and who loads ask here, so they mean the same context.
"""

from typing import Final

import msgspec

from lmctl.base.spec import LoadSettings

TOGETHER: Final = 64
"""Texts computed in one step at most."""

POOLED: Final = frozenset({1, 2, 3})
"""`pooling_type` of a GGUF: mean, first token, last token. Only embedding models say one."""

# Architectures that can do nothing else (llama.cpp 0.3.36, encoder-only models).
_ENCODERS: Final = frozenset(
    {
        "bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert",
        "neo-bert", "nomic-bert", "nomic-bert-moe",
    }
)  # fmt: skip


def embeds(architecture: str, pooling: int | None) -> bool:
    """Say whether a model answers with vectors; `pooling` is what its header says, None for nothing."""
    return architecture in _ENCODERS or pooling in POOLED


def longest_text(load: LoadSettings, trained: int) -> int:
    """Return how many tokens of a text are read: no model knows positions it was not trained on.

    `trained` is the model's context length, 0 if it does not say.
    """
    return min(load.context_length, trained) if trained else load.context_length


def as_embedding(load: LoadSettings, trained: int) -> LoadSettings:
    """Return the settings of a context that embeds.

    A text is read in one piece, so a step has room for the longest; shorter ones share it. Nothing
    of a text is kept, so all share the cells too.
    """
    step = max(longest_text(load, trained), min(load.physical_batch_size, load.batch_size))
    return msgspec.structs.replace(
        load,
        context_length=step,
        parallel=TOGETHER,
        batch_size=step,
        physical_batch_size=step,
        unified_kv=True,
        drafter="",
    )
