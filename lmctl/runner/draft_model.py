"""Guesses what comes next with a second, smaller model of the same vocabulary.

It reads what the answers' sequences hold, in sequences of its own with the same numbers, and goes on
from there by taking the likeliest token, all answers together in each of its steps. What it has
read stays, so only what is new is read.
"""

import math
from collections.abc import Sequence
from typing import Final

from lmctl.base.talk import Sampling
from lmctl.runner.drafting import Ask
from lmctl.runner.port import Bell, Engine, Feed, Full, Interrupted, Sampled
from lmctl.runner.prefix_cache import common_prefix

READ_AT_ONCE: Final = 32
"""Tokens it reads before one of its guesses: what is behind by more is caught up with in pieces."""
GREEDY: Final = Sampling(temperature=0, repeat_penalty=None)


class DraftModel:
    """Drafts with an engine of its own. `vocabulary` is how many tokens the large model knows."""

    def __init__(self, name: str, engine: Engine, *, vocabulary: int) -> None:
        self.name = name
        self._engine = engine
        facts = engine.facts
        self._at_once = max(1, min(READ_AT_ONCE, facts.step_tokens - facts.slots))
        self._shared = min(vocabulary, facts.vocabulary)
        self._read: dict[int, list[int]] = {}

    def draft(self, asks: Sequence[Ask], bell: Bell) -> list[list[int]]:
        found: dict[int, list[int]] = {each.sequence: [] for each in asks}
        try:
            self._guess([each for each in asks if self._has_room(each)], found, bell)
        except Interrupted:
            pass  # what was guessed before is as good as ever
        except Full:
            self._forget_all()
        return [found[each.sequence] for each in asks]

    def forget(self, sequence: int) -> None:
        """Keep what was read: the next prompt may begin alike."""

    def close(self) -> None:
        self._engine.close()

    def _has_room(self, ask: Ask) -> bool:
        return len(ask.tokens) + ask.most < self._engine.facts.context_length

    def _guess(self, asks: Sequence[Ask], found: dict[int, list[int]], bell: Bell) -> None:
        feeds = self._unread(asks)
        guessing = {each.sequence: each for each in asks}
        while feeds:
            chosen = self._engine.step(feeds, bell)
            for feed in feeds:
                self._read[feed.sequence] += feed.tokens
            feeds = [
                Feed(feed.sequence, [token], wants=1)
                for feed, sampled in zip(feeds, chosen, strict=True)
                if sampled
                and (token := self._likely(sampled[0], guessing[feed.sequence])) is not None
                and _added(found[feed.sequence], token) < guessing[feed.sequence].most
            ]

    def _unread(self, asks: Sequence[Ask]) -> list[Feed]:
        """Return what each sequence is behind by, or a piece of it: only who has caught up wants a
        guess. One with a token that only the large model knows is left out.
        """
        feeds = []
        room = self._at_once
        for ask in asks:
            read = self._kept(ask)
            piece = ask.tokens[read : read + max(room, 1)]
            if max(piece) >= self._shared:
                continue
            room -= len(piece)
            feeds.append(Feed(ask.sequence, piece, wants=int(read + len(piece) == len(ask.tokens))))
        return feeds

    def _kept(self, ask: Ask) -> int:
        """Return how many of the tokens it has read, with what was read beyond them forgotten."""
        if ask.sequence not in self._read:
            self._engine.begin(ask.sequence, GREEDY, [], logprobs=0)
            self._read[ask.sequence] = []
        read = self._read[ask.sequence]
        same = common_prefix(read, ask.tokens, min(len(read), len(ask.tokens) - 1))
        if same < len(read):
            same = same if same >= self._engine.cuttable(ask.sequence) else 0
            self._engine.cut(ask.sequence, same)
            del read[same:]
        return same

    def _likely(self, sampled: Sampled, ask: Ask) -> int | None:
        """Return a token that is worth a check, None where it had better stop."""
        assert sampled.chosen is not None  # noqa: S101 - `begin` asked for it
        likely = math.exp(sampled.chosen.chosen.logprob) >= ask.least_probability
        return sampled.token if likely and sampled.token < self._shared else None

    def _forget_all(self) -> None:
        """Free its memory: it begins to read anew."""
        for sequence in self._read:
            self._engine.forget(sequence)
        self._read.clear()


def _added(guess: list[int], token: int) -> int:
    guess.append(token)
    return len(guess)
