"""A tiny model that counts: after each byte it says the next one, whatever computes it.

Each byte has a direction of its own, and the answer after it is the byte whose row lies in that
direction. Attention and feed-forward add nothing, but are computed.
"""

import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

BYTES: Final = 256
_WIDE, _HEADS, _FORWARD = 64, 2, 64
_ALIGNED: Final = 32
_NUMBER: Final = {bool: (7, "<?"), int: (4, "<I"), float: (6, "<f")}

Numbers = npt.NDArray[np.float32]


def write(path: Path) -> None:
    """Write the model as GGUF, about 200 KB."""
    placed, data = [], b""
    for name, numbers in _tensors().items():
        placed.append((name, numbers.shape[::-1], len(data)))
        data += numbers.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % _ALIGNED)
    said = _metadata()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(placed), len(said))
    head += b"".join(_text(key) + _value(value) for key, value in said.items())
    for name, shape, offset in placed:
        head += _text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}QIQ", *shape, 0, offset)
    path.write_bytes(head + b"\0" * (-len(head) % _ALIGNED) + data)


def _tensors() -> dict[str, Numbers]:
    directions = np.random.default_rng(1).normal(size=(BYTES, _WIDE)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    square, ones = np.zeros((_WIDE, _WIDE), np.float32), np.ones(_WIDE, np.float32)
    return {
        "token_embd.weight": directions,
        "output_norm.weight": ones,
        "output.weight": np.roll(directions, 1, axis=0),
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        **{f"blk.0.attn_{each}.weight": square for each in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": np.zeros((_FORWARD, _WIDE), np.float32),
        "blk.0.ffn_up.weight": np.zeros((_FORWARD, _WIDE), np.float32),
        "blk.0.ffn_down.weight": np.zeros((_WIDE, _FORWARD), np.float32),
    }


def _metadata() -> dict[str, Any]:
    return {
        "general.architecture": "llama",
        "llama.context_length": BYTES,
        "llama.block_count": 1,
        "llama.embedding_length": _WIDE,
        "llama.feed_forward_length": _FORWARD,
        "llama.attention.head_count": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "llama.rope.dimension_count": _WIDE // _HEADS,
        "llama.vocab_size": BYTES,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": _words(),
        "tokenizer.ggml.merges": ["! !"],
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
    }


def _words() -> list[str]:
    """Return how GPT-2's vocabulary spells each byte."""
    spelt = {each: chr(each) for each in (*range(33, 127), *range(161, 173), *range(174, BYTES))}
    others = [each for each in range(BYTES) if each not in spelt]
    spelt |= {each: chr(BYTES + place) for place, each in enumerate(others)}
    return [spelt[each] for each in range(BYTES)]


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    """Return the type of a value and itself; a list is of texts."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    kind, form = _NUMBER[type(value)]
    return struct.pack("<I", kind) + struct.pack(form, value)
