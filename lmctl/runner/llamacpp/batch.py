"""A `llama_batch` whose arrays are numpy's, so that filling it is a few vectorised stores."""

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp as library
import numpy as np
from numpy.typing import NDArray

from lmctl.runner.port import Feed

_INT = ctypes.POINTER(ctypes.c_int32)


class Batch:
    """Room for the tokens of one step, one sequence per token."""

    def __init__(self, capacity: int) -> None:
        self._token = np.zeros(capacity, np.int32)
        self._position = np.zeros(capacity, np.int32)
        self._sequence = np.zeros(capacity, np.int32)
        self._wants = np.zeros(capacity, np.int8)
        self._ones = np.ones(capacity, np.int32)
        # A token's sequences are a pointer to a list; each list is one element of `_sequence`.
        offsets = np.arange(capacity, dtype=np.uint64) * np.uint64(self._sequence.itemsize)
        self._lists = np.uint64(self._sequence.ctypes.data) + offsets
        self.native = self._native()

    def fill(self, feeds: Sequence[Feed], positions: Sequence[int]) -> list[int]:
        """Put the feeds in, each from its position on; return for each the first row it wants."""
        end = 0
        rows: list[int] = []
        for feed, position in zip(feeds, positions, strict=True):
            begin, end = end, end + len(feed.tokens)
            self._token[begin:end] = feed.tokens
            self._position[begin:end] = np.arange(position, position + end - begin)
            self._sequence[begin:end] = feed.sequence
            self._wants[begin:end] = 0
            self._wants[end - feed.wants : end] = 1
            rows.append(end - feed.wants)
        self.native.n_tokens = end
        return rows

    def _native(self) -> Any:
        native = library.llama_batch()
        native.n_tokens = 0
        native.token = _pointer(self._token, _INT)
        native.embd = None
        native.pos = _pointer(self._position, _INT)
        native.n_seq_id = _pointer(self._ones, _INT)
        native.seq_id = _pointer(self._lists, ctypes.POINTER(_INT))
        native.logits = _pointer(self._wants, ctypes.POINTER(ctypes.c_int8))
        return native


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, kind)
