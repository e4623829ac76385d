"""A BERT of random numbers and sixteen words."""

import numpy as np

from tests.support.bert import SPECIAL, Bert

LONGEST = 64
WIDE = 32
_FORWARD, _BLOCKS = 48, 2
_WORDS = "the cat sat on a mat dog ran far sun rose red bird sang old song"
TOKENS = [*SPECIAL, *_WORDS.split()]
CLS, SEP = 2, 3
_LINEAR = {
    "attn_q": (WIDE, WIDE),
    "attn_k": (WIDE, WIDE),
    "attn_v": (WIDE, WIDE),
    "attn_output": (WIDE, WIDE),
    "ffn_up": (_FORWARD, WIDE),
    "ffn_down": (WIDE, _FORWARD),
}


def tokens_of(text: str) -> list[int]:
    """Return a text of known words as the model reads it."""
    return [CLS, *(TOKENS.index(word) for word in text.split()), SEP]


def tiny_bert() -> Bert:
    """Return the same model every time."""
    random = np.random.default_rng(11)
    weights = {
        name: random.normal(1.0 if name.endswith("norm.weight") else 0.0, 0.3, shape).astype("f4")
        for name, shape in _shapes().items()
    }
    return Bert(weights, TOKENS, heads=2)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(TOKENS), WIDE),
        "position_embd.weight": (LONGEST, WIDE),
        "token_types.weight": (2, WIDE),
    }
    norms = ["token_embd_norm"]
    for block in range(_BLOCKS):
        norms += [f"blk.{block}.attn_output_norm", f"blk.{block}.layer_output_norm"]
        for name, shape in _LINEAR.items():
            shapes[f"blk.{block}.{name}.weight"] = shape
            shapes[f"blk.{block}.{name}.bias"] = shape[:1]
    for name in norms:
        shapes |= {f"{name}.weight": (WIDE,), f"{name}.bias": (WIDE,)}
    return shapes
