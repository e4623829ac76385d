"""A Llama of random numbers whose tokens are bytes, and an eye that sees colours as three of them."""

from pathlib import Path

import numpy as np

from tests.support.gguf_file import gguf

LONGEST = 512
EXPERTS, EXPERTS_USED = 4, 2
_WIDE, _HEADS, _FORWARD, _BLOCKS = 64, 2, 96, 2
_ALIGNED = 32
_DEEP, _PATCH, _SIZE = 64, 16, 32
TEMPLATE = "{% for message in messages %}{{ message.role[0] }}:{{ message.content }};{% endfor %}a:"


def _byte_words() -> list[str]:
    """Return how GPT-2 writes each byte, which is a token here: there are no merges."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    word = {byte: chr(byte) for byte in shown}
    word |= {byte: chr(256 + place) for place, byte in enumerate(hidden)}
    return [word[byte] for byte in range(256)]


def _tensors() -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (256, _WIDE),
        "output_norm.weight": (_WIDE,),
        "output.weight": (256, _WIDE),
    }
    for block in range(_BLOCKS):
        rows = {
            "attn_norm": (_WIDE,),
            "attn_q": (_WIDE, _WIDE),
            "attn_k": (_WIDE, _WIDE),
            "attn_v": (_WIDE, _WIDE),
            "attn_output": (_WIDE, _WIDE),
            "ffn_norm": (_WIDE,),
            "ffn_gate": (_FORWARD, _WIDE),
            "ffn_up": (_FORWARD, _WIDE),
            "ffn_down": (_WIDE, _FORWARD),
        }
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in rows.items()}
    random = np.random.default_rng(5)
    return {
        name: random.normal(1.0 if "norm" in name else 0.0, 0.3, shape)
        for name, shape in shapes.items()
    }


def _experts() -> dict[str, np.ndarray]:
    """Return the same model with experts in place of the dense part of each block."""
    found = {name: each for name, each in _tensors().items() if "ffn" not in name or "norm" in name}
    shapes = {
        "ffn_gate_inp": (EXPERTS, _WIDE),
        "ffn_gate_exps": (EXPERTS, _FORWARD, _WIDE),
        "ffn_up_exps": (EXPERTS, _FORWARD, _WIDE),
        "ffn_down_exps": (EXPERTS, _WIDE, _FORWARD),
    }
    random = np.random.default_rng(6)
    for block in range(_BLOCKS):
        for name, shape in shapes.items():
            found[f"blk.{block}.{name}.weight"] = random.normal(0.0, 0.3, shape)
    return found


def write_experts(path: Path) -> Path:
    """Write the model with `EXPERTS` experts, of which each token goes to `EXPERTS_USED`."""
    return _write(path, _experts(), expert_count=EXPERTS, expert_used_count=EXPERTS_USED)


def write(path: Path) -> Path:
    """Write the model; the same one every time."""
    return _write(path, _tensors())


def _write(path: Path, tensors: dict[str, np.ndarray], **more: object) -> Path:
    said: dict[str, object] = {
        "context_length": LONGEST,
        "block_count": _BLOCKS,
        "embedding_length": _WIDE,
        "feed_forward_length": _FORWARD,
        "attention.head_count": _HEADS,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.dimension_count": _WIDE // _HEADS,
        "vocab_size": 256,
        **more,
    }
    words = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": _byte_words(),
        "tokenizer.ggml.merges": ["! !"],
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    metadata = {"general.architecture": "llama"} | {f"llama.{k}": v for k, v in said.items()}
    return _written(path, metadata | words, tensors)


def write_eye(path: Path) -> Path:
    """Write a projector that sees a picture as one token: `r`, `g` or `b`, by its mean colour."""
    return written_eye(path, _tensors()["token_embd.weight"][list(b"rgb")])


def written_eye(path: Path, words: np.ndarray) -> Path:
    """Write a projector that sees a picture as one token: the first of these three embeddings for
    red, the second for green, the third for blue.
    """
    wide = words.shape[1]
    patches = np.zeros((_DEEP, 3, _PATCH, _PATCH))
    projection = np.zeros((_DEEP, wide))
    for channel, word in enumerate(words):
        patches[channel, channel] = 1 / _PATCH**2
        projection[channel] = word
    tensors = {
        "v.patch_embd.weight": patches,
        "v.patch_embd.bias": np.zeros(_DEEP),
        "v.position_embd.weight": np.zeros(((_SIZE // _PATCH) ** 2, _DEEP)),
        "mm.input_projection.weight": projection,
        "mm.soft_emb_norm.weight": np.ones(_DEEP) / np.sqrt(_DEEP),
    }
    square = (_DEEP, _DEEP)
    shapes = {"attn_q": square, "attn_k": square, "attn_v": square, "attn_out": square}
    shapes |= {"ffn_up": (2 * _DEEP, _DEEP), "ffn_down": (_DEEP, 2 * _DEEP)}
    for name, shape in shapes.items():
        tensors[f"v.blk.0.{name}.weight"] = np.zeros(shape)
        tensors[f"v.blk.0.{name}.bias"] = np.zeros(shape[0])
    for name in ("ln1", "ln2"):
        tensors[f"v.blk.0.{name}.weight"] = np.ones(_DEEP)
        tensors[f"v.blk.0.{name}.bias"] = np.zeros(_DEEP)
    said: dict[str, object] = {
        "image_size": _SIZE,
        "patch_size": _PATCH,
        "embedding_length": _DEEP,
        "feed_forward_length": 2 * _DEEP,
        "block_count": 1,
        "projection_dim": wide,
        "attention.head_count": 1,
        "attention.layer_norm_epsilon": 1e-6,
        "projector.scale_factor": _SIZE // _PATCH,
        "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0],
    }
    metadata: dict[str, object] = {
        "general.architecture": "clip",
        "general.file_type": 0,
        "clip.has_vision_encoder": True,
        "clip.projector_type": "gemma3",
        "clip.use_gelu": True,
    }
    return _written(path, metadata | {f"clip.vision.{k}": v for k, v in said.items()}, tensors)


def _written(path: Path, metadata: dict[str, object], tensors: dict[str, np.ndarray]) -> Path:
    placed, data = [], b""
    for name, numbers in tensors.items():
        placed.append((name, numbers.shape[::-1], 0, len(data)))
        data += numbers.astype("<f4").tobytes()
        data += b"\0" * (-len(data) % _ALIGNED)
    header = gguf(metadata, placed, data=b"")
    path.write_bytes(header + b"\0" * (-len(header) % _ALIGNED) + data)
    return path
