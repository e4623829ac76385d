"""An eye for Qwen2.5 Coder 0.5B: it sees a picture of one colour as the model's own word for it.

There is no small model that sees in any package, so the projector is made: a picture becomes one
token, the embedding of ` red`, ` green` or ` blue` out of the text model's own weights.
"""

import mmap
import struct
from pathlib import Path

import numpy as np

from tests.support.tiny_llama import written_eye

WORDS = ("\u0120red", "\u0120green", "\u0120blue")  # how GPT-2 writes a word behind a space
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_TEXT, _LIST, _Q5_0 = 8, 9, 6
_ALIGNED = 32
_BLOCK = np.dtype([("scale", "<f2"), ("high", "<u4"), ("low", "u1", 16)])


def write(weights: Path, path: Path) -> Path:
    """Write the projector for this GGUF, whose embeddings are Q5_0."""
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        reader = _Reader(data)
        ids = reader.ids(WORDS)
        wide, kind, begin = reader.tensor("token_embd.weight")
        assert kind == _Q5_0
        size = wide // 32 * _BLOCK.itemsize
        rows = [_row(data[begin + each * size : begin + (each + 1) * size]) for each in ids]
    return written_eye(path, np.stack(rows))


def _row(data: bytes) -> np.ndarray:
    """Return the numbers of one row: a scale and five bits each, 32 to a block."""
    blocks = np.frombuffer(data, _BLOCK)
    high = (blocks["high"][:, None] >> np.arange(32, dtype=np.uint32)) & 1
    low = np.concatenate([blocks["low"] & 15, blocks["low"] >> 4], axis=1)
    numbers = (low | (high << 4)).astype(np.float32) - 16
    return (numbers * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


class _Reader:
    """Reads a header from its begin to its end, keeping what an eye is made of."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 8
        tensors, keys = self._numbers("<QQ")
        self._words: dict[bytes, int] = {}
        for _ in range(keys):
            name = self._text()
            self._skip(self._number("<I"), keep=name == b"tokenizer.ggml.tokens")
        self._tensors = dict(self._tensor() for _ in range(tensors))
        self._begin = -(-self._at // _ALIGNED) * _ALIGNED

    def ids(self, words: tuple[str, ...]) -> list[int]:
        return [self._words[each.encode()] for each in words]

    def tensor(self, name: str) -> tuple[int, int, int]:
        """Return how wide its rows are, its type, and where it begins."""
        wide, kind, offset = self._tensors[name.encode()]
        return wide, kind, self._begin + offset

    def _tensor(self) -> tuple[bytes, tuple[int, int, int]]:
        name = self._text()
        shape = self._numbers(f"<{self._number('<I')}Q")
        kind = self._number("<I")
        return name, (shape[0], kind, self._number("<Q"))

    def _skip(self, kind: int, *, keep: bool = False) -> None:
        if kind == _TEXT:
            self._text()
        elif kind != _LIST:
            self._at += _SIZES[kind]
        else:
            inner, count = self._numbers("<IQ")
            for number in range(count):
                if inner != _TEXT:
                    self._at += _SIZES[inner]
                elif keep:
                    self._words[self._text()] = number
                else:
                    self._text()

    def _text(self) -> bytes:
        size = self._number("<Q")
        self._at += size
        return self._data[self._at - size : self._at]

    def _number(self, form: str) -> int:
        return self._numbers(form)[0]

    def _numbers(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return found
