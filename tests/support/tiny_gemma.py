"""A Gemma 3 of random numbers: six tiny blocks, five of which look back through a window."""

from pathlib import Path

import numpy as np

from tests.support.gguf_file import gguf

WINDOW = 64
WORDS = 96
_WIDE, _HEADS, _FORWARD, _BLOCKS = 64, 2, 96, 6
_HEAD = _WIDE // _HEADS
_ALIGNED = 32


def write(path: Path) -> Path:
    """Write the model; the same one every time."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (_WIDE, WORDS),
        "output_norm.weight": (_WIDE,),
    }
    for block in range(_BLOCKS):
        rows = {
            "attn_norm": (_WIDE,),
            "attn_q": (_WIDE, _WIDE),
            "attn_k": (_WIDE, _HEAD),
            "attn_v": (_WIDE, _HEAD),
            "attn_output": (_WIDE, _WIDE),
            "attn_q_norm": (_HEAD,),
            "attn_k_norm": (_HEAD,),
            "post_attention_norm": (_WIDE,),
            "ffn_norm": (_WIDE,),
            "ffn_gate": (_WIDE, _FORWARD),
            "ffn_up": (_WIDE, _FORWARD),
            "ffn_down": (_FORWARD, _WIDE),
            "post_ffw_norm": (_WIDE,),
        }
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in rows.items()}
    random = np.random.default_rng(7)
    data, tensors = b"", []
    for name, shape in shapes.items():
        tensors.append((name, shape, 0, len(data)))
        numbers = random.normal(1.0 if "norm" in name else 0.0, 0.3, int(np.prod(shape)))
        data += numbers.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % _ALIGNED)
    header = gguf(_metadata(), tensors, data=b"")
    path.write_bytes(header + b"\0" * (-len(header) % _ALIGNED) + data)
    return path


def _metadata() -> dict[str, object]:
    said: dict[str, object] = {
        "context_length": 4096,
        "block_count": _BLOCKS,
        "embedding_length": _WIDE,
        "feed_forward_length": _FORWARD,
        "attention.head_count": _HEADS,
        "attention.head_count_kv": 1,
        "attention.key_length": _HEAD,
        "attention.value_length": _HEAD,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "attention.sliding_window": WINDOW,
    }
    return {"general.architecture": "gemma3"} | {f"gemma3.{k}": v for k, v in said.items()} | {
        "tokenizer.ggml.model": "test",
        "tokenizer.ggml.tokens": [f"t{n}" for n in range(WORDS)],
        "tokenizer.ggml.scores": [0.0] * WORDS,
    }  # fmt: skip
