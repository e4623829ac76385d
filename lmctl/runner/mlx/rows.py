"""Keys and values of all sequences, each in a row of its own, so that rows are computed together.

mlx-lm's own batches hold sequences that come and go together. Here one stays where it is: it grows,
is cut by counting less, and is copied to another row. A layer that looks back through a window
keeps all of it and hides what is out of sight, so those can be cut as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import mlx.core as mx
from mlx_lm.models.cache import KVCache, RotatingKVCache, create_attention_mask

_LEAST: Final = 256
"""Tokens a row has room for at first."""


_TRIED: Final = 3
"""Sequences, and tokens of the first one, that a model is tried with."""
_UNLIKE: Final = 0.1
"""Of its own size a row of logits may differ: rounding makes next to nothing of it, a wrong mask half."""


def fits(caches: Sequence[Any]) -> bool:
    """Say whether all a model keeps of what it read, as mlx-lm would, can be kept in rows."""
    return all(
        type(each) is KVCache or (type(each) is RotatingKVCache and each.keep == 0)
        for each in caches
    )


@dataclass(frozen=True)
class _Turn:
    """Which sequences are computed together, from which position on, and how many tokens of each."""

    sequences: tuple[int, ...]
    begins: tuple[int, ...]
    count: int

    @property
    def end(self) -> int:
        return max(self.begins) + self.count

    @cached_property
    def alike(self) -> bool:
        """Whether all are at the same position."""
        return len(set(self.begins)) == 1

    @cached_property
    def rows(self) -> slice | mx.array:
        """Which rows they are: a slice, which costs no copy, where they follow each other."""
        first, last = self.sequences[0], self.sequences[-1]
        if last - first + 1 == len(self.sequences):
            return slice(first, last + 1)
        return mx.array(self.sequences)

    @cached_property
    def places(self) -> mx.array:
        """Return the position of each token, for each sequence."""
        return mx.array(self.begins)[:, None] + mx.arange(self.count)


class _Layer:
    """One layer of a model, as mlx-lm's models use what they call a cache."""

    def __init__(self, rows: "Rows", window: int | None) -> None:
        self._rows = rows
        self._window = window
        self.keys: Any = None
        self.values: Any = None

    @property
    def offset(self) -> int | mx.array:
        turn = self._rows.turn
        return turn.begins[0] if turn.alike else mx.array(turn.begins)

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        self.keys = self._put(self._grown(self.keys, keys), keys)
        self.values = self._put(self._grown(self.values, values), values)
        return self.keys_and_values()

    def keys_and_values(self) -> tuple[mx.array, mx.array]:
        turn = self._rows.turn
        return self.keys[:, :, : turn.end][turn.rows], self.values[:, :, : turn.end][turn.rows]

    def make_mask(
        self,
        N: int,  # noqa: N803 - the models call it so
        *,
        return_array: bool = False,
        window_size: int | None = None,
    ) -> Any:
        turn = self._rows.turn
        window = self._window if window_size is None else window_size
        if window is not None and turn.end <= window:
            window = None
        if turn.alike:
            return create_attention_mask(N, turn.begins[0], return_array, window)
        places, others = turn.places[:, None, :, None], mx.arange(turn.end)
        seen = others <= places
        return seen if window is None else seen & (others > places - window)

    def copy(self, source: int, target: int, count: int) -> None:
        """Put what one row has read first into another."""
        if self.keys is None or count == 0:
            return
        both = [mx.contiguous(each[source, :, :count]) for each in (self.keys, self.values)]
        mx.eval(both)  # else the rows would be copied as a whole, to be read and written at once
        self.keys[target, :, :count], self.values[target, :, :count] = both

    def _grown(self, kept: Any, more: mx.array) -> mx.array:
        """Return the rows with room for this turn."""
        wanted = self._rows.turn.end
        room = 0 if kept is None else kept.shape[2]
        if wanted <= room:
            return kept
        size = min(max(_LEAST, wanted, 2 * room), max(wanted, self._rows.longest))
        shape = (self._rows.slots, more.shape[1], size - room, more.shape[3])
        added = mx.zeros(shape, more.dtype)
        return added if kept is None else mx.concatenate([kept, added], axis=2)

    def _put(self, kept: mx.array, more: mx.array) -> mx.array:
        turn = self._rows.turn
        if turn.alike and isinstance(turn.rows, slice):
            kept[turn.rows, :, turn.begins[0] : turn.end] = more
        else:
            kept[mx.array(turn.sequences)[:, None], :, turn.places] = more.transpose(0, 2, 1, 3)
        return kept


class Rows:
    """What each of `slots` sequences has read, of at most `longest` tokens.

    `together` says whether the model can compute rows that are at different positions in one call.
    """

    can_cut = True
    together = True
    turn: _Turn

    def __init__(self, model: Any, caches: Sequence[Any], *, slots: int, longest: int) -> None:
        self.slots = slots
        self.longest = longest
        self._model = model
        self._read: dict[int, int] = {}
        self._layers = [_Layer(self, getattr(each, "max_size", None)) for each in caches]

    def open(self, sequence: int) -> None:
        """Keep an account of a sequence from now on."""
        self._read.setdefault(sequence, 0)

    def read(self, sequence: int) -> int:
        """Return how many tokens a sequence has read: the position of its next one."""
        return self._read[sequence]

    def forward(self, sequences: Sequence[int], tokens: Sequence[Sequence[int]]) -> mx.array:
        """Let sequences, in ascending order, read equally many tokens each; return the logits
        behind every one, not evaluated yet.
        """
        if not self.together and len(sequences) > 1:
            alone = zip(sequences, tokens, strict=True)
            return mx.concatenate([self.forward([each], [mine]) for each, mine in alone])
        begins = tuple(self._read[each] for each in sequences)
        self.turn = _Turn(tuple(sequences), begins, len(tokens[0]))
        logits = self._model(mx.array(tokens), cache=self._layers)
        for each in sequences:
            self._read[each] += len(tokens[0])
        return logits

    def try_together(self) -> None:
        """Find out whether the model can compute different positions in one call: some of mlx-lm's
        take a mask's rows for something else, and say so or not, as the numbers of heads fall.
        """
        rows = list(range(min(self.slots, _TRIED)))
        for each in rows:
            self.open(each)
        self.forward([0], [list(range(_TRIED))])
        alone = mx.concatenate([self.forward([each], [[_TRIED]]) for each in rows])
        mx.eval(alone)
        for each in rows:
            self.cut(each, self._read[each] - 1)
        try:
            self.together = _alike(self.forward(rows, [[_TRIED]] * len(rows)), alone)
        except ValueError:
            self.together = False
        self._read.clear()

    def kept(self, sequences: Sequence[int]) -> list[Any]:
        """Return what is to be evaluated so that these sequences have read what they were given."""
        del sequences
        return [(layer.keys, layer.values) for layer in self._layers if layer.keys is not None]

    def row(self, sequence: int) -> dict[str, mx.array]:
        """Return what a sequence has read, by names that `put` understands."""
        count = self._read[sequence]
        found = {}
        for number, layer in enumerate(self._layers):
            found[f"{number}.keys"] = mx.contiguous(layer.keys[sequence, :, :count])
            found[f"{number}.values"] = mx.contiguous(layer.values[sequence, :, :count])
        return found

    def put(self, sequence: int, row: Mapping[str, Any]) -> bool:
        """Let an empty sequence have read what another `row` says; False where it does not fit."""
        names = [(f"{number}.keys", f"{number}.values") for number in range(len(self._layers))]
        if row.keys() != {each for pair in names for each in pair}:
            return False
        count = row[names[0][0]].shape[1]
        self.turn = _Turn((sequence,), (0,), count)
        for layer, (keys, values) in zip(self._layers, names, strict=True):
            layer.update_and_fetch(row[keys][None], row[values][None])
        self._read[sequence] = count
        mx.eval(self.kept([sequence]))
        return True

    def copy(self, source: int, target: int) -> None:
        for layer in self._layers:
            layer.copy(source, target, self._read[source])
        self._read[target] = self._read[source]

    def cuttable(self, sequence: int) -> int:
        del sequence  # every token is kept
        return 0

    def cut(self, sequence: int, begin: int) -> None:
        self._read[sequence] = min(begin, self._read[sequence])

    def forget(self, sequence: int) -> None:
        del self._read[sequence]


def _alike(some: mx.array, others: mx.array) -> bool:
    """Say whether rows of logits are the same but for rounding."""
    one, two = (each[:, 0].astype(mx.float32) for each in (some, others))
    unlike = mx.linalg.norm(one - two, axis=-1) / mx.linalg.norm(two, axis=-1)
    return bool((unlike < _UNLIKE).all().item())
