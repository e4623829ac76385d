"""What sequences have read stays, so that a prompt that begins the same is not read again.

A sequence whose answer has ended rests: it keeps what it read until its place is needed, the
longest unused one first. A prompt that goes on where one rests takes its place over; one that only
begins like another, resting or at work, gets a copy of it, cut to what both share.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from lmctl.runner.job import Job
from lmctl.runner.port import Engine

LEAST_COPIED: Final = 32
"""Tokens that are worth a copy in a short context."""
CONTEXT_PER_COPIED: Final = 128
"""A copy moves room for the whole context, so a long one must save more: one token per so many."""
LOST_AT_MOST: Final = 4
"""A sequence is taken over when it loses less than what is shared divided by this."""

SEVERAL: Final = 3
"""Requests at work from which on a gap between their sequences is worth avoiding."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a sequence has read: `all` so many tokens, of which the first `readable` can be had."""

    sequence: int
    tokens: Sequence[int]
    all: int
    readable: int


@dataclass(frozen=True, slots=True)
class _Match:
    """How many tokens of a prompt a sequence has read, and how many others behind them."""

    sequence: int
    shared: int
    lost: int


_NOTHING: Final = _Match(-1, 0, 0)


class PrefixCache:
    """The places of an engine's sequences that nobody is at work in. Used by the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._empty = set(range(engine.facts.slots))
        self._resting: dict[int, list[int]] = {}  # the longest unused first
        context = engine.facts.context_length
        self.least_copied = max(LEAST_COPIED, context // CONTEXT_PER_COPIED)

    @property
    def idle(self) -> int:
        """How many sequences nobody is at work in."""
        return len(self._empty) + len(self._resting)

    @property
    def resting(self) -> dict[int, int]:
        """How many tokens each sequence at rest keeps."""
        return {sequence: len(tokens) for sequence, tokens in self._resting.items()}

    @property
    def kept(self) -> dict[int, list[int]]:
        """Return the tokens of each sequence at rest, the longest unused first."""
        return dict(self._resting)

    def take_in(self, read: Mapping[int, list[int]]) -> None:
        """Know of sequences that were empty and have read something, the longest unused first."""
        self._empty -= read.keys()
        self._resting |= read

    def claim(self, prompt: Sequence[int], running: Iterable[Job]) -> tuple[int, int]:
        """Return an idle sequence, and how many tokens of the prompt it has read already.

        There must be an idle one.
        """
        at_work = tuple(running)
        match = self._best(prompt, at_work)
        if match.sequence in self._resting and self._taken_over(match):
            del self._resting[match.sequence]
            if match.lost:
                self._engine.cut(match.sequence, match.shared)
            return match.sequence, match.shared
        beside = {job.sequence for job in at_work}
        target = self._emptied(besides=match.sequence, beside=beside)
        return target, self._copied(match, target)

    def improve(self, job: Job, running: Iterable[Job]) -> int:
        """Return how many tokens a claimed sequence has read, after a copy if that saves some.

        For a job that was not fed yet: meanwhile others have read what it needs.
        """
        others = [other for other in running if other is not job]
        match = self._best(job.tokens, others)
        if not self._engine.facts.can_copy or match.shared - job.fed < self.least_copied:
            return job.fed
        self._engine.cut(job.sequence, 0)
        return self._copied(match, job.sequence)

    def rest(self, job: Job) -> None:
        """Keep what a job's sequence has read, now that the job has ended."""
        sequence, tokens = job.sequence, job.tokens[: job.readable]
        self._engine.rest(sequence)
        if len(tokens) < job.fed:
            if self._engine.cuttable(sequence) > len(tokens):
                tokens = []
            self._engine.cut(sequence, len(tokens))
        if tokens:
            self._resting[sequence] = tokens
        else:
            self._engine.forget(sequence)
            self._empty.add(sequence)

    def evict(self) -> bool:
        """Forget the sequence that rests for the longest time; say whether there was one."""
        if not self._resting:
            return False
        self._empty.add(self._forgotten(next(iter(self._resting))))
        return True

    def _best(self, prompt: Sequence[int], running: Iterable[Job]) -> _Match:
        """Return where most of a prompt can be had; of equal ones who is at work, so that none that
        rests seems to be of use, then the longest unused.
        """
        best = _NOTHING
        if self._engine.facts.can_copy:
            for job in running:
                read = _Read(job.sequence, job.tokens, job.fed, job.readable)
                best = self._better(best, prompt, read)
        for sequence, tokens in self._resting.items():
            best = self._better(best, prompt, _Read(sequence, tokens, len(tokens), len(tokens)))
        return best

    def _better(self, best: _Match, prompt: Sequence[int], read: _Read) -> _Match:
        """Return the better of two matches; the last token of a prompt is always read anew."""
        shared = common_prefix(prompt, read.tokens, min(read.readable, len(prompt) - 1))
        if shared <= best.shared:
            return best
        if shared < read.all and shared < self._engine.cuttable(read.sequence):
            return best
        return _Match(read.sequence, shared, read.all - shared)

    def _taken_over(self, match: _Match) -> bool:
        if not self._empty and next(iter(self._resting)) == match.sequence:
            return True  # it would be the one to go
        return match.lost * LOST_AT_MOST <= match.shared

    def _emptied(self, *, besides: int, beside: Set[int]) -> int:
        """Return an empty sequence, made empty if none is: mostly the longest unused.

        Engines compute together what numbers without a gap have read. Where several are at work, a
        gap costs all of them a fifth to a half of their pace, so what rests right beside them goes:
        to read that anew costs one request less.
        """
        several = len(beside) >= SEVERAL
        resting = [each for each in self._resting if each != besides]
        candidates: list[int] = [
            *sorted(self._empty),
            *(resting if several or not self._empty else ()),
        ]
        found = candidates[0]
        if several:
            found = min(candidates, key=lambda each: _groups({*beside, each}))
        if found in self._resting:
            return self._forgotten(found)
        self._empty.remove(found)
        return found

    def _forgotten(self, sequence: int) -> int:
        self._engine.forget(sequence)
        del self._resting[sequence]
        return sequence

    def _copied(self, match: _Match, target: int) -> int:
        """Copy what is shared, if that is worth it; return how many tokens that are."""
        if match.shared < self.least_copied or not self._engine.facts.can_copy:
            return 0
        self._engine.copy(match.sequence, target)
        if match.lost:
            self._engine.cut(target, match.shared)
        if match.sequence in self._resting:  # it was of use: the others go first
            self._resting[match.sequence] = self._resting.pop(match.sequence)
        return match.shared


def _groups(sequences: Set[int]) -> int:
    """Return how many runs of numbers without a gap there are."""
    return sum(each - 1 not in sequences for each in sequences)


def common_prefix(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """Return how many tokens two lists begin with alike, `most` at most."""
    alike, stride = 0, 32
    while alike < most and stride:
        end = min(alike + stride, most)
        if one[alike:end] == other[alike:end]:
            alike, stride = end, stride * 2
        else:
            stride = (end - alike) // 2
    return alike
