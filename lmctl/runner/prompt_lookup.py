"""Guesses what comes next from what came before: where the last tokens stood earlier, the text may
go on as it did there. No model is asked, so a guess costs microseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lmctl.base.spec import PROMPT_LOOKUP
from lmctl.runner.drafting import Ask
from lmctl.runner.port import Bell

GRAM: Final = 3
"""Tokens that must stand in a row before two places are compared."""
LOOKED_AT: Final = 8
"""Places that are compared, the last ones first: the one that agrees longest is gone on from."""
LONGEST: Final = 32
"""Tokens that are compared at most."""
INDEXED_AT_ONCE: Final = 4096
"""Tokens of a long prompt that are indexed per step, so that no step waits for the whole of it."""


@dataclass(slots=True)
class _Index:
    """Where each few tokens in a row end, among the first `end` tokens of a sequence.

    `before` leads from each place to the one before it with the same tokens.
    """

    end: int = 0
    last: int = -1
    places: dict[tuple[int, ...], int] = field(default_factory=dict)
    before: list[int] = field(default_factory=list)

    def grow(self, tokens: Sequence[int]) -> None:
        """Take the next tokens in, but not the last: it has no token behind it to guess."""
        if self.end > len(tokens) - 1 or (self.end and tokens[self.end - 1] != self.last):
            self.end, self.places, self.before = 0, {}, []  # the sequence is another one now
        for end in range(self.end + 1, min(len(tokens) - 1, self.end + INDEXED_AT_ONCE) + 1):
            gram = tuple(tokens[end - GRAM : end]) if end >= GRAM else ()
            self.before.append(self.places.get(gram, 0) if gram else 0)
            self.places[gram] = end
            self.end, self.last = end, tokens[end - 1]


class PromptLookup:
    """Looks the last tokens of a sequence up in the same sequence: its prompt and its answer."""

    name: Final = PROMPT_LOOKUP

    def __init__(self) -> None:
        self._indexes: dict[int, _Index] = {}

    def draft(self, asks: Sequence[Ask], bell: Bell) -> list[list[int]]:
        del bell  # nothing here takes long
        return [self._guess(each) for each in asks]

    def forget(self, sequence: int) -> None:
        self._indexes.pop(sequence, None)

    def close(self) -> None:
        self._indexes.clear()

    def _guess(self, ask: Ask) -> list[int]:
        index = self._indexes.setdefault(ask.sequence, _Index())
        index.grow(ask.tokens)
        place, agreeing = _best(index, ask.tokens)
        if not place:
            return []
        # What agrees for long is likely to go on to agree for long.
        return _from(ask.tokens, place, min(ask.most, 2 * agreeing))


def _best(index: _Index, tokens: Sequence[int]) -> tuple[int, int]:
    """Return where to go on from and how many tokens before it agree; 0 for nowhere."""
    place = index.places.get(tuple(tokens[-GRAM:]), 0) if len(tokens) > GRAM else 0
    best, longest = 0, 0
    for _ in range(LOOKED_AT):
        if not place:
            break
        agreeing = _agreeing(tokens, place)
        if agreeing > longest:
            best, longest = place, agreeing
        place = index.before[place - 1]
    return best, longest


def _agreeing(tokens: Sequence[int], place: int) -> int:
    """Return how many tokens before a place are the same as those at the end."""
    found = GRAM
    while found < min(LONGEST, place) and tokens[place - 1 - found] == tokens[-1 - found]:
        found += 1
    return found


def _from(tokens: Sequence[int], place: int, most: int) -> list[int]:
    """Return the tokens from a place on; past the end they go on with themselves: a text that
    repeats itself has a guess of any length.
    """
    found = list(tokens[place : place + most])
    for at in range(most - len(found)):
        found.append(found[at])
    return found
