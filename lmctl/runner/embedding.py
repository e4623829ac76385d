"""Texts to vectors: one thread owns the engine and fills each step with the texts of all requests.

A step takes one text of each request in turn until it is full, so a request of one text does not
wait for one of ten thousand. The vectors of a request leave as they are made, in its order.
"""

import math
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lmctl.base.errors import LmctlError
from lmctl.base.talk import Embedded, Event, Finished, Usage
from lmctl.runner.loop import Loop, Output, Turn
from lmctl.runner.port import EmbeddingEngine, Interrupted


@dataclass(slots=True, eq=False)
class EmbeddingJob:
    """Texts in tokens; those before `produced` have their vectors. Times are of the monotonic clock.

    `dimensions` is how many numbers of each vector are wanted, None for all.
    """

    id: str
    texts: list[list[int]]
    deadline: float
    dimensions: int | None = None
    asked_at: float = field(default_factory=time.monotonic)
    produced: int = 0
    ended: bool = False
    first_at: float = 0.0

    @property
    def prompt_tokens(self) -> int:
        """How many tokens all texts have."""
        return sum(map(len, self.texts))

    def embedded(self, vectors: Sequence[bytes], dimensions: int) -> Embedded:
        """Return vectors of so many numbers as they were asked for."""
        wanted = self.dimensions or dimensions
        if wanted < dimensions:
            vectors = [shortened(each, wanted) for each in vectors]
        return Embedded(tuple(vectors), wanted)

    def finish(self, now: float) -> Finished:
        """Return the last event."""
        return Finished(
            "stop",
            Usage(prompt_tokens=self.prompt_tokens, completion_tokens=0),
            time_to_first_token=self.first_at - self.asked_at,
            generation_time=now - self.first_at,
        )


class EmbeddingScheduler(Loop[EmbeddingJob]):
    """Moves jobs through an engine that embeds."""

    def __init__(
        self,
        engine: EmbeddingEngine,
        emit: Callable[[Turn], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(emit, clock)
        self._engine = engine
        self._running: deque[EmbeddingJob] = deque()  # whose turn it is comes first

    def _count(self) -> int:
        return len(self._running)

    def _has_room(self) -> bool:
        return len(self._running) < self._engine.facts.slots

    def _start_waiting(self) -> None:
        while self._waiting and self._has_room():
            self._running.append(self._waiting.popleft())
            self._changed = True

    def _step(self) -> None:
        chosen = self._choose()
        texts = [job.texts[number] for job, number in chosen]
        try:
            vectors = self._engine.embed(texts, self._bell)
        except Interrupted:
            return
        self._steps += 1
        self._widest = max(self._widest, sum(map(len, texts)))
        made: dict[EmbeddingJob, list[bytes]] = {}
        for (job, _), vector in zip(chosen, vectors, strict=True):
            made.setdefault(job, []).append(vector)
        for job, found in made.items():
            self._hand_out(job, found)

    def _choose(self) -> list[tuple[EmbeddingJob, int]]:
        """Return the next texts, by job and number: one of each job in turn, while there is room.

        A text too long for what is left ends the step; it begins the next one.
        """
        facts = self._engine.facts
        room = facts.step_tokens
        chosen: list[tuple[EmbeddingJob, int]] = []
        taken = dict.fromkeys(self._running, 0)
        turns = deque(self._running)
        while turns and len(chosen) < facts.slots:
            job = turns.popleft()
            number = job.produced + taken[job]
            if number == len(job.texts):
                continue
            if len(job.texts[number]) > room:
                break
            room -= len(job.texts[number])
            chosen.append((job, number))
            taken[job] += 1
            turns.append(job)
        return chosen

    def _hand_out(self, job: EmbeddingJob, vectors: list[bytes]) -> None:
        now = self._clock()
        job.first_at = job.first_at or now
        job.produced += len(vectors)
        # Behind those who had no turn in this step.
        self._running.remove(job)
        self._running.append(job)
        events: list[Event] = [job.embedded(vectors, self._engine.facts.dimensions)]
        if job.produced == len(job.texts):
            self._end(job, [*events, job.finish(now)])
        else:
            self._outputs.append(Output(job, events))

    def _end(
        self, job: EmbeddingJob, events: list[Event], *, error: LmctlError | None = None
    ) -> None:
        job.ended = True
        (self._running if job in self._running else self._waiting).remove(job)
        self._outputs.append(Output(job, events, ended=True, error=error))


def shortened(vector: bytes, dimensions: int) -> bytes:
    """Return the first numbers of a vector, scaled to length 1."""
    form = f"<{dimensions}f"
    kept = struct.unpack_from(form, vector)
    length = math.hypot(*kept) or 1.0
    return struct.pack(form, *(number / length for number in kept))
