"""A Mamba of random numbers: two blocks that keep a state and nothing of the tokens themselves."""

from pathlib import Path

import numpy as np

from tests.support.gguf_file import gguf

WORDS = 96
_WIDE, _INNER, _STATE, _KERNEL, _RANK, _BLOCKS = 32, 64, 8, 4, 2, 2
_ALIGNED = 32


def write(path: Path) -> Path:
    """Write the model; the same one every time."""
    random = np.random.default_rng(11)
    numbers: dict[str, np.ndarray] = {
        "token_embd.weight": random.normal(0, 1.0, (WORDS, _WIDE)),
        "output_norm.weight": np.ones(_WIDE),
        "output.weight": random.normal(0, 0.5, (WORDS, _WIDE)),
    }
    for block in range(_BLOCKS):
        rows = {
            "attn_norm.weight": np.ones(_WIDE),
            "ssm_in.weight": random.normal(0, 0.4, (2 * _INNER, _WIDE)),
            "ssm_conv1d.weight": random.normal(0, 0.4, (_INNER, _KERNEL)),
            "ssm_conv1d.bias": random.normal(0, 0.1, _INNER),
            "ssm_x.weight": random.normal(0, 0.3, (_RANK + 2 * _STATE, _INNER)),
            "ssm_dt.weight": random.normal(0, 0.3, (_INNER, _RANK)),
            "ssm_dt.bias": np.full(_INNER, -2.0),  # it forgets slowly
            "ssm_a": -np.tile(np.arange(1.0, _STATE + 1) / 16, (_INNER, 1)),
            "ssm_d": np.ones(_INNER),
            "ssm_out.weight": random.normal(0, 0.4, (_WIDE, _INNER)),
        }
        numbers |= {f"blk.{block}.{name}": each for name, each in rows.items()}
    data, tensors = b"", []
    for name, each in numbers.items():
        tensors.append((name, each.shape[::-1], 0, len(data)))
        data += each.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % _ALIGNED)
    header = gguf(_metadata(), tensors, data=b"")
    path.write_bytes(header + b"\0" * (-len(header) % _ALIGNED) + data)
    return path


def _metadata() -> dict[str, object]:
    said: dict[str, object] = {
        "context_length": 4096,
        "block_count": _BLOCKS,
        "embedding_length": _WIDE,
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "ssm.conv_kernel": _KERNEL,
        "ssm.inner_size": _INNER,
        "ssm.state_size": _STATE,
        "ssm.time_step_rank": _RANK,
    }
    return {"general.architecture": "mamba"} | {f"mamba.{k}": v for k, v in said.items()} | {
        "tokenizer.ggml.model": "test",
        "tokenizer.ggml.tokens": [f"t{n}" for n in range(WORDS)],
        "tokenizer.ggml.scores": [0.0] * WORDS,
    }  # fmt: skip
