"""A BERT as a GGUF and as plain numpy, so that what llama.cpp says can be worked out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.gguf_file import gguf

POOLINGS = {"none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_EPSILON = 1e-12
_ALIGNED = 32


@dataclass(frozen=True)
class Bert:
    """Weights by their names in a GGUF; `words` are the vocabulary as BERT writes it (`##ing`)."""

    weights: dict[str, np.ndarray]
    words: Sequence[str]
    heads: int

    @property
    def longest(self) -> int:
        return len(self.weights["position_embd.weight"])

    @property
    def wide(self) -> int:
        return self.weights["token_embd.weight"].shape[1]

    def write(self, path: Path, *, pooling: str | None = "mean") -> Path:
        tensors, offset = [], 0
        for name, numbers in self.weights.items():
            tensors.append((name, numbers.shape[::-1], 0, offset))
            offset += -(-numbers.size * 4 // _ALIGNED) * _ALIGNED
        header = gguf(self._metadata(pooling), tensors, data=b"")
        with path.open("wb") as file:
            file.write(_aligned(header))
            for numbers in self.weights.values():
                file.write(_aligned(numbers.astype("<f4").tobytes()))
        return path

    def vector(self, tokens: list[int], *, pooling: str = "mean") -> np.ndarray:
        w = self.weights
        x = w["token_embd.weight"][tokens] + w["position_embd.weight"][: len(tokens)]
        x = self._norm("token_embd_norm", x + w["token_types.weight"][0])
        for block in range(self._blocks):
            at = f"blk.{block}."
            x = self._norm(f"{at}attn_output_norm", x + self._attention(at, x))
            x = self._norm(f"{at}layer_output_norm", x + self._forward(at, x))
        found = {"mean": x.mean(axis=0), "cls": x[0], "last": x[-1]}[pooling]
        return found / np.linalg.norm(found)

    @property
    def _blocks(self) -> int:
        return sum(name.endswith("attn_q.weight") for name in self.weights)

    def _attention(self, at: str, x: np.ndarray) -> np.ndarray:
        q, k, v = (self._linear(f"{at}attn_{each}", x) for each in "qkv")
        found = []
        for parts in zip(*(np.split(e, self.heads, axis=1) for e in (q, k, v)), strict=True):
            q1, k1, v1 = parts
            scores = np.exp(q1 @ k1.T / np.sqrt(q1.shape[1]))
            found.append(scores / scores.sum(axis=1, keepdims=True) @ v1)
        return self._linear(f"{at}attn_output", np.concatenate(found, axis=1))

    def _forward(self, at: str, x: np.ndarray) -> np.ndarray:
        up = self._linear(f"{at}ffn_up", x)
        gelu = 0.5 * up * (1 + np.tanh(np.sqrt(2 / np.pi) * (up + 0.044715 * up**3)))
        return self._linear(f"{at}ffn_down", gelu)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=1, keepdims=True)
        flat = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + _EPSILON)
        return flat * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _metadata(self, pooling: str | None) -> dict[str, object]:
        said: dict[str, object] = {
            "context_length": self.longest,
            "block_count": self._blocks,
            "embedding_length": self.wide,
            "feed_forward_length": len(self.weights["blk.0.ffn_up.bias"]),
            "attention.head_count": self.heads,
            "attention.layer_norm_epsilon": _EPSILON,
            "attention.causal": False,
        }
        if pooling is not None:
            said["pooling_type"] = POOLINGS[pooling]
        number = {word: place for place, word in enumerate(self.words)}
        return {"general.architecture": "bert"} | {f"bert.{k}": v for k, v in said.items()} | {
            "tokenizer.ggml.model": "bert",
            "tokenizer.ggml.pre": "default",
            "tokenizer.ggml.tokens": [_piece(word) for word in self.words],
            "tokenizer.ggml.token_type_count": 2,
            "tokenizer.ggml.unknown_token_id": number["[UNK]"],
            "tokenizer.ggml.bos_token_id": number["[CLS]"],
            "tokenizer.ggml.eos_token_id": number["[SEP]"],
            "tokenizer.ggml.seperator_token_id": number["[SEP]"],
            "tokenizer.ggml.padding_token_id": number["[PAD]"],
            "tokenizer.ggml.mask_token_id": number["[MASK]"],
        }  # fmt: skip


def _piece(word: str) -> str:
    """Return a word as llama.cpp wants it: it marks where one begins, BERT where one goes on."""
    if word in SPECIAL:
        return word
    return word[2:] if word.startswith("##") else f"\N{LOWER ONE EIGHTH BLOCK}{word}"


def _aligned(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNED)
