"""What each sequence has read, as llama.cpp keeps it: a part of the KV cache, a recurrent state."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import llama_cpp as library

from lmctl.runner.port import Feed

_ALL: Final = -1
"""As the end of a range of positions: all that come after; as its beginning: all before."""


class Memory:
    """How many tokens each sequence has read, here and in llama.cpp."""

    def __init__(self, model: Any, context: Any, *, shared: bool) -> None:
        self._context = context
        self._native = library.llama_get_memory(context)
        self._read: dict[int, int] = {}
        # A recurrent state is of the last token only: nothing of it can be taken back.
        recurrent = library.llama_model_is_recurrent(model) or library.llama_model_is_hybrid(model)
        self.can_cut = not recurrent
        self._window = int(library.llama_model_n_swa(model))
        # In a shared cache a copied token is one cell of two sequences: it cannot move for one. A
        # state says that it can move, and still holds what was to be dropped.
        movable = bool(library.llama_memory_can_shift(self._native))
        self.can_shift = movable and self.can_cut and not shared

    def open(self, sequence: int) -> None:
        """Keep an account of a sequence from now on."""
        self._read.setdefault(sequence, 0)

    def read(self, sequence: int) -> int:
        """Return how many tokens a sequence has read: the position of its next one."""
        return self._read[sequence]

    def grow(self, feeds: Sequence[Feed]) -> None:
        """Note that a step went well."""
        for feed in feeds:
            self._read[feed.sequence] += len(feed.tokens)

    def advance(self, sequence: int, positions: int) -> None:
        """Note that a sequence read something that is no tokens."""
        self._read[sequence] += positions

    def undo(self, feeds: Sequence[Feed]) -> None:
        """Take back the part of a step that was computed before it ended."""
        for feed in feeds:
            library.llama_memory_seq_rm(
                self._native, feed.sequence, self._read[feed.sequence], _ALL
            )

    def copy(self, source: int, target: int) -> None:
        """Copy whole: a part of a sequence that has cells of its own would abort the process."""
        library.llama_memory_seq_cp(self._native, source, target, _ALL, _ALL)
        self._read[target] = self._read[source]

    def cuttable(self, sequence: int) -> int:
        """Return the least position to cut to: the next token looks back through a window, and all
        it sees there must still be kept.
        """
        if not self.can_cut:
            return self._read[sequence]
        oldest = int(library.llama_memory_seq_pos_min(self._native, sequence))
        return oldest + self._window if oldest > 0 else 0

    def cut(self, sequence: int, begin: int) -> None:
        """Drop what was read from a position on."""
        library.llama_memory_seq_rm(self._native, sequence, begin, _ALL)
        self._read[sequence] = min(begin, self._read[sequence])

    def shift(self, sequence: int, *, keep: int, discard: int) -> None:
        """Drop tokens in the middle and move the ones behind them up."""
        end = keep + discard
        library.llama_memory_seq_rm(self._native, sequence, keep, end)
        library.llama_memory_seq_add(self._native, sequence, end, _ALL, -discard)
        self._read[sequence] -= discard

    def save(self, sequence: int, tokens: Sequence[int], path: Path) -> None:
        """Write what a sequence has read. Raises OSError."""
        said = (library.llama_token * len(tokens))(*tokens)
        place = os.fsencode(path)
        if not library.llama_state_seq_save_file(self._context, place, sequence, said, len(said)):
            raise OSError(f"llama.cpp could not write {path}")

    def restore(self, sequence: int, path: Path, *, most: int) -> list[int]:
        """Read what a sequence had read, `most` tokens at most; return them, none if that failed."""
        said, count = (library.llama_token * most)(), ctypes.c_size_t()
        read = library.llama_state_seq_load_file(
            self._context, os.fsencode(path), sequence, said, most, ctypes.byref(count)
        )
        last = int(library.llama_memory_seq_pos_max(self._native, sequence))
        if not read or last + 1 != count.value:
            library.llama_memory_seq_rm(self._native, sequence, _ALL, _ALL)
            return []
        self._read[sequence] = count.value
        return list(said[: count.value])

    def forget(self, sequence: int) -> None:
        """Free all of a sequence."""
        library.llama_memory_seq_rm(self._native, sequence, _ALL, _ALL)
        del self._read[sequence]
