"""Continuous batching: one thread owns the engine and moves every running request each step.

A step holds one token of every decoding sequence and pieces of waiting prompts. Requests come
and go between steps; what a step produced leaves in one call of `emit`, whatever the number of
requests.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from lmctl.base.errors import LmctlError
from lmctl.base.talk import Event
from lmctl.runner.drafting import Drafter, Drafts
from lmctl.runner.job import Job
from lmctl.runner.loop import Loop, Output, Turn
from lmctl.runner.pace import Pace
from lmctl.runner.port import Engine, Feed, Full, Interrupted, Sampled
from lmctl.runner.prefix_cache import PrefixCache, common_prefix
from lmctl.runner.saved_prefixes import SavedPrefixes


class Scheduler(Loop[Job]):
    """Moves jobs through an engine that goes on with texts."""

    def __init__(
        self,
        engine: Engine,
        emit: Callable[[Turn], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        drafters: Sequence[Drafter] = (),
    ) -> None:
        super().__init__(emit, clock)
        self._engine = engine
        self._drafts = Drafts(engine, drafters, clock)
        self._running: dict[int, Job] = {}
        self._cache = PrefixCache(engine)
        self._pace = Pace(engine.facts.step_tokens, rows=engine.facts.rows_at_once)

    def take_in(self, saved: SavedPrefixes) -> None:
        """Begin with what was saved; before `run`."""
        self._cache.take_in(saved.restored(self._engine.facts.slots))

    def save(self, saved: SavedPrefixes) -> None:
        """Write what is at rest; after `run`. Raises OSError."""
        saved.save(self._cache.kept)

    def _count(self) -> int:
        return len(self._running)

    def _has_room(self) -> bool:
        return bool(self._cache.idle)

    def _start_waiting(self) -> None:
        while self._waiting and self._cache.idle:
            job = self._waiting.popleft()
            job.sequence, job.fed = self._cache.claim(job.tokens, self._running.values())
            self._running[job.sequence] = job
            self._engine.begin(
                job.sequence,
                job.sampling,
                job.prompt,
                matcher=job.matcher,
                logprobs=job.logprobs,
            )
            self._steps += 1
            self._changed = True

    def _step(self) -> None:
        self._decode()
        self._look()

    def _decode(self) -> None:
        fed = self._drafts.add(self._feeds(), self._bell)
        if not fed:
            return
        begun = self._clock()
        try:
            found = self._engine.step([feed for _, feed in fed], self._bell)
        except Interrupted:
            return
        except Full:
            if not self._drafts.withdraw():
                self._make_room()
            return
        self._steps += 1
        self._widest = max(self._widest, sum(len(feed.tokens) for _, feed in fed))
        now = self._clock()
        self._note_pace(fed, now - begun)
        self._drafts.settle(fed, found, now)
        for (job, feed), sampled in zip(fed, found, strict=True):
            if told := job.read(len(feed.tokens)):
                self._outputs.append(Output(job, told))
            if sampled:
                self._accept(job, sampled, now)

    def _note_pace(self, fed: list[tuple[Job, Feed]], seconds: float) -> None:
        reading = sum(len(feed.tokens) for job, feed in fed if not job.decoding)
        decoding = sum(job.decoding for job, _ in fed)
        self._pace.took(decoding=decoding, reading=reading, seconds=seconds)

    def _look(self) -> None:
        """Let one job read a picture: the others go on before the next."""
        for job in self._running.values():
            picture = job.picture
            if picture is None or job.fresh:
                continue
            try:
                self._engine.look(job.sequence, picture, self._bell)
            except Full:
                self._make_room()
                return
            self._steps += 1
            if told := job.read(picture.span):
                self._outputs.append(Output(job, told))
            return

    def _feeds(self) -> list[tuple[Job, Feed]]:
        """Return what each sequence contributes, in ascending order of sequences.

        Prompts are read first come first served, in pieces that leave room for those who decode.
        """
        decoding = sum(job.decoding for job in self._running.values())
        room = max(0, self._engine.facts.step_tokens - decoding)
        if decoding:
            left = [job.left_to_read for job in self._running.values() if not job.decoding]
            room = min(room, self._pace.beside(decoding=decoding, left=left))
        found: list[tuple[Job, Feed]] = []
        for job in self._running.values():
            room += job.decoding  # its place is kept; a job that reads takes of what is left
            if room < 1 or (job.fresh and not self._freshen(job, found)):
                continue
            if job.picture is not None:
                continue
            if len(job.tokens) > self._engine.facts.context_length:
                self._slide(job)
            feed = job.feed(room)
            room -= len(feed.tokens)
            found.append((job, feed))
        found.sort(key=lambda each: each[0].sequence)
        return found

    def _slide(self, job: Job) -> None:
        """Drop half of what a full context need not keep, in the middle. Where the engine cannot
        move what comes after it, that is read again.
        """
        engine, keep = self._engine, job.keep or 0
        discard = max(1, (engine.facts.context_length - keep) // 2)
        if engine.facts.can_shift:
            engine.shift(job.sequence, keep=keep, discard=discard)
            job.fed -= discard
            job.moved = True
        else:
            job.fed = keep if engine.cuttable(job.sequence) <= keep else 0
            engine.cut(job.sequence, job.fed)
        del job.tokens[keep : keep + discard]

    def _freshen(self, job: Job, found: list[tuple[Job, Feed]]) -> bool:
        """Say whether a job can begin to read, having taken what others have read before it.

        Where one that reads in this step is about to read more of what it needs, it waits.
        """
        can_share = self._engine.facts.can_copy and self._engine.facts.can_cut
        for other, feed in found:
            if can_share and len(feed.tokens) > 1:
                shared = common_prefix(job.tokens, other.tokens, len(job.tokens) - 1)
                if shared - max(job.fed, other.fed) >= self._cache.least_copied:
                    return False
        job.fed = job.cached = self._cache.improve(job, self._running.values())
        job.fresh = False
        return True

    def _accept(self, job: Job, sampled: Sequence[Sampled], now: float) -> None:
        before = job.produced
        events = job.accept(sampled, self._engine, now)
        self._drafts.trim(job)
        self._produced += job.produced - before
        if job.ended:
            broken = job.broken
            self._end(job, [] if broken else events, error=broken)
        elif events:
            self._outputs.append(Output(job, events))

    def _make_room(self) -> None:
        """Forget what nobody is at work in; else end the longest sequence as if its context were
        full: the rest can go on.
        """
        if self._cache.evict():
            return
        longest = max(self._running.values(), key=lambda job: len(job.tokens))
        self._end(longest, longest.finish("length", self._clock(), context_full=True))

    def _end(self, job: Job, events: list[Event], *, error: LmctlError | None = None) -> None:
        job.ended = True
        if self._running.pop(job.sequence, None) is None:
            self._waiting.remove(job)
        else:
            self._drafts.ended(job)
            self._cache.rest(job)
        self._outputs.append(Output(job, events, ended=True, error=error))

    def _turn(self) -> Turn:
        running = self._running.values()
        return replace(
            super()._turn(),
            generating=sum(job.decoding for job in running),
            held=sum(job.fed for job in running) + sum(self._cache.resting.values()),
        )
