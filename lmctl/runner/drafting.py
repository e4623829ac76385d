"""Speculative decoding inside the scheduler: guessed tokens are fed beside the last one and checked
by the engine in the same step.

The engine chooses after each guess as it would without one and stops behind the first that was
wrong, so an answer's tokens, its constraint and its random numbers are those it would have had
anyway. Guesses take part in a step only as far as it has room, and where others in it do not
guess, only as long as these lose no more than a part of their time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lmctl.runner.guessing import Guessing
from lmctl.runner.job import Job
from lmctl.runner.port import Bell, Engine, Feed, Sampled

TAKEN_FROM_OTHERS: Final = 0.25
"""How much longer than without guesses those who do not guess may wait on average."""
PLAIN_AGAIN: Final = 32
"""After so many steps with guesses, one without shows what a token takes by now."""
WITHOUT_ROOM: Final = 16
"""Steps without guesses after there was no memory for them."""
_NEWEST: Final = 0.3  # weight of the last step in what one usually takes

Fed = list[tuple[Job, Feed]]


@dataclass(frozen=True, slots=True)
class Ask:
    """All tokens of a sequence; `most` are to be guessed behind them, none that a draft model finds
    less likely than `least_probability`.
    """

    sequence: int
    tokens: Sequence[int]
    most: int
    least_probability: float = 0.0


class Drafter(Protocol):
    """Guesses tokens. Used by the engine's thread only."""

    @property
    def name(self) -> str:
        """What clients and manifests call it."""
        ...

    def draft(self, asks: Sequence[Ask], bell: Bell) -> list[list[int]]:
        """Return a guess for each, perhaps an empty one; asks are in order of their sequences.

        May give up when `bell` rings.
        """
        ...

    def forget(self, sequence: int) -> None:
        """Hear that a sequence's answer has ended."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class Drafts:
    """The guesses of all sequences of one engine."""

    def __init__(
        self, engine: Engine, drafters: Sequence[Drafter], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._drafters: Mapping[str, Drafter] = {each.name: each for each in drafters}
        self._clock = clock
        self._usual = _Usual()
        self._credit = 0.0
        self._resting = 0
        self._takes_part = False
        self._guessed: dict[int, int] = {}
        self._began = self._drafted = 0.0

    def add(self, fed: Fed, bell: Bell) -> Fed:
        """Return what is fed in this step, with guesses behind those who have some."""
        self._guessed = {}
        self._takes_part = any(job.guessing is not None for job, _ in fed)
        if not self._takes_part:
            return fed
        self._began = self._clock()
        asks = [] if self._resting else list(self._asks(fed))
        self._resting = max(0, self._resting - 1)
        if asks:
            fed = self._with_guesses(fed, asks, bell)
        self._drafted = self._clock()
        return fed

    def settle(self, fed: Fed, found: Sequence[Sequence[Sampled]], now: float) -> None:
        """Learn from a step what guessing costs and brings."""
        if not self._takes_part:
            return
        usual = self._usual.of(len(fed))
        for (job, _), chosen in zip(fed, found, strict=True):
            guessed = self._guessed.get(job.sequence, 0)
            if guessed and job.guessing is not None and usual is not None:
                seconds = now - self._began
                job.guessing.settle(guessed, len(chosen), seconds=seconds, usual=usual)
        if all(_decodes(feed) for _, feed in fed):
            self._account(len(fed), now)

    def withdraw(self) -> bool:
        """Hear that there was no memory for a step; say whether there may be without guesses."""
        if self._guessed:
            self._resting = WITHOUT_ROOM
        return bool(self._guessed)

    def trim(self, job: Job) -> None:
        """Take out of the engine what it has read and is not in the answer: wrong guesses, and right
        ones behind its end.
        """
        if job.fed >= len(job.tokens):
            job.fed = len(job.tokens) - 1
            self._engine.cut(job.sequence, job.fed)

    def ended(self, job: Job) -> None:
        """Hear that a job has ended."""
        if job.guessing is not None:
            self._drafters[job.guessing.drafter].forget(job.sequence)

    def _asks(self, fed: Fed) -> Iterator[tuple[Guessing, Ask]]:
        """Yield who guesses in this step and how far: nobody while a prompt is being read."""
        facts = self._engine.facts
        who = [(job, job.guessing) for job, _ in fed if job.guessing and job.guessable]
        if not who or not all(_decodes(feed) for _, feed in fed):
            return
        if self._usual.due(len(fed)) or (len(fed) > 1 and self._credit < 0):
            return
        room = (min(facts.most_wanted, facts.step_tokens) - len(fed)) // len(who)
        for job, guessing in who:
            wished = _filled(guessing.length(), guessing.most, facts.rows_at_once)
            most = min(wished, room, job.left(facts.context_length) - 1)
            if most > 0:
                yield guessing, Ask(job.sequence, job.tokens, most, guessing.least_probability)

    def _with_guesses(self, fed: Fed, asks: list[tuple[Guessing, Ask]], bell: Bell) -> Fed:
        guesses = dict(self._drawn(asks, bell))
        self._trim_to_rows(guesses, {ask.sequence: guessing for guessing, ask in asks}, len(fed))
        self._guessed = {sequence: len(tokens) for sequence, tokens in guesses.items()}
        return [
            (job, _extended(feed, guesses[feed.sequence]) if feed.sequence in guesses else feed)
            for job, feed in fed
        ]

    def _drawn(
        self, asks: list[tuple[Guessing, Ask]], bell: Bell
    ) -> Iterator[tuple[int, list[int]]]:
        """Ask each drafter once for all its sequences; yield what is worth a check."""
        for name, drafter in self._drafters.items():
            mine = [(guessing, ask) for guessing, ask in asks if guessing.drafter == name]
            drafted = drafter.draft([ask for _, ask in mine], bell) if mine else []
            for (guessing, ask), tokens in zip(mine, drafted, strict=True):
                guess = self._sensible(tokens)
                if guess and len(guess) >= guessing.least:
                    yield ask.sequence, guess
                else:
                    guessing.ignore(len(guess))

    def _trim_to_rows(
        self, guesses: dict[int, list[int]], who: Mapping[int, Guessing], width: int
    ) -> None:
        """Drop the last tokens of the longest guesses that would cost the step as much as a whole row
        of tokens; `width` is how many are fed beside the guesses.
        """
        rows = self._engine.facts.rows_at_once
        total = width + sum(map(len, guesses.values()))
        for _ in range(total % rows if total > rows else 0):
            longest = max(guesses, key=lambda each: len(guesses[each]))
            if len(guesses[longest]) - 1 < max(1, who[longest].least):
                return
            guesses[longest] = guesses[longest][:-1]
            who[longest].ignore(1)

    def _sensible(self, guess: list[int]) -> list[int]:
        """Return a guess up to where the answer would end: nothing follows there."""
        for place, token in enumerate(guess):
            if self._engine.is_end(token):
                return guess[:place]
        return guess

    def _account(self, width: int, now: float) -> None:
        """Learn what a step without guesses takes, and what those with some took from others."""
        if not self._guessed:
            self._usual.learn(width, now - self._drafted)
        self._usual.count(width, guessed=bool(self._guessed))
        usual = self._usual.of(width) or 0.0
        extra = now - self._began - usual if self._guessed else self._drafted - self._began
        earned = TAKEN_FROM_OTHERS * usual
        if len(self._guessed) < width:
            self._credit = min(earned, self._credit + earned - extra)


class _Usual:
    """Seconds that a step without guesses takes, by how many sequences take part in it."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._since: dict[int, int] = {}

    def of(self, width: int) -> float | None:
        return self._seconds.get(width)

    def due(self, width: int) -> bool:
        """Whether a step without guesses must show what it takes."""
        return width not in self._seconds or self._since.get(width, 0) >= PLAIN_AGAIN

    def learn(self, width: int, seconds: float) -> None:
        before = self._seconds.get(width, seconds)
        self._seconds[width] = before + _NEWEST * (seconds - before)

    def count(self, width: int, *, guessed: bool) -> None:
        self._since[width] = self._since.get(width, 0) + 1 if guessed else 0


def _filled(length: int, most: int, rows: int) -> int:
    """Return a length of a guess, or as many more as are computed at about the same price."""
    return min(most, -(-(length + 1) // rows) * rows - 1) if length else 0


def _decodes(feed: Feed) -> bool:
    return len(feed.tokens) == feed.wants


def _extended(feed: Feed, guess: list[int]) -> Feed:
    return Feed(feed.sequence, [*feed.tokens, *guess], feed.wants + len(guess))
