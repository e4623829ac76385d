"""What every engine that computes logits does alike when it chooses a token from them."""

import secrets
from typing import Final

import numpy as np
from numpy.typing import NDArray

REMEMBERED: Final = 64
"""Tokens that penalties look back on, the prompt's included: llama.cpp's default."""
GREEDY_BELOW: Final = 1e-4
XTC_THRESHOLD: Final = 0.1
"""LM Studio's, where only the probability is given."""
FARTHEST: Final = 1e30
"""A bias is kept within: infinities would make differences that are no numbers."""
SEEDS: Final = 2**32 - 1
"""The one left out means "random" to llama.cpp."""

Logits = NDArray[np.float32]


def allowed(mask: memoryview, vocabulary: int) -> NDArray[np.bool_]:
    """Return for each token of the vocabulary whether a matcher's mask has its bit set."""
    bits = np.frombuffer(mask, np.uint8)
    return np.unpackbits(bits, count=vocabulary, bitorder="little").view(np.bool_)


def seed_of(asked: int | None, loaded: int | None) -> int:
    """Return the seed to use: the call's, else the one the model was loaded with, else a fresh one."""
    for seed in (asked, loaded):
        if seed is not None and seed >= 0:
            return seed % SEEDS
    return secrets.randbelow(SEEDS)
