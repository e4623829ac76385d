"""Sequences that keep what they read as mlx-lm does, each for itself, and are computed one by one.

For what cannot be kept in rows: recurrent states, windows that also keep the begin, keys and values
that are quantized.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache, QuantizedKVCache, trim_prompt_cache

Caches = list[Any]


class Alone:
    """What each sequence has read. `made` makes what an empty one keeps, `after` is called with what
    one keeps when it has read more.
    """

    def __init__(
        self, model: Any, made: Callable[[], Caches], *, after: Callable[[Caches], None]
    ) -> None:
        self._model = model
        self._made = made
        self._after = after
        self._read: dict[int, int] = {}
        self._caches: dict[int, Caches] = {}
        # Others can be cut for a while only, if at all.
        self.can_cut = all(type(each) in {KVCache, QuantizedKVCache} for each in made())

    def open(self, sequence: int) -> None:
        """Keep an account of a sequence from now on."""
        if sequence not in self._read:
            self._read[sequence], self._caches[sequence] = 0, self._made()

    def read(self, sequence: int) -> int:
        """Return how many tokens a sequence has read."""
        return self._read[sequence]

    def forward(self, sequences: Sequence[int], tokens: Sequence[Sequence[int]]) -> mx.array:
        """Let sequences read equally many tokens each; return the logits behind every one."""
        found = []
        for sequence, mine in zip(sequences, tokens, strict=True):
            found.append(self._model(mx.array([mine]), cache=self._caches[sequence]))
            self._after(self._caches[sequence])
            self._read[sequence] += len(mine)
        return mx.concatenate(found)

    def kept(self, sequences: Sequence[int]) -> list[Any]:
        """Return what is to be evaluated so that these sequences have read what they were given."""
        return [cache.state for each in sequences for cache in self._caches[each]]

    def copy(self, source: int, target: int) -> None:
        self._caches[target] = copy.deepcopy(self._caches[source])
        self._read[target] = self._read[source]

    def cuttable(self, sequence: int) -> int:
        return 0 if self.can_cut else self._read[sequence]

    def cut(self, sequence: int, begin: int) -> None:
        if begin == 0:
            self._caches[sequence] = self._made()
        elif begin < self._read[sequence]:
            trim_prompt_cache(self._caches[sequence], self._read[sequence] - begin)
        self._read[sequence] = min(begin, self._read[sequence])

    def forget(self, sequence: int) -> None:
        del self._read[sequence], self._caches[sequence]
