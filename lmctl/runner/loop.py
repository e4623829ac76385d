"""The life of the engine's thread: wishes come in between steps, what a step made goes out at once.

What a step is, is for others to say: `scheduler` goes on with texts, `embedding` makes vectors.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, Literal, Protocol, TypeVar

from lmctl.base.errors import Busy, LmctlError
from lmctl.base.talk import Event
from lmctl.runner.port import Bell


class Task(Protocol):
    """One request inside: when it was asked, until when it may wait, and how far it is.

    `produced` counts the tokens (or vectors) made for it.
    """

    id: str
    deadline: float
    asked_at: float
    produced: int
    ended: bool

    @property
    def prompt_tokens(self) -> int:
        """How many tokens were asked."""


@dataclass(frozen=True, slots=True)
class Output:
    """What one step meant for one job; `ended` comes exactly once per submitted job."""

    job: Task
    events: list[Event]
    ended: bool = False
    error: LmctlError | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one step meant for everyone: outputs, slots in use, and tokens produced in it; `widest`
    is the most tokens any step so far computed together. `generating` of those that run have read
    their prompt; the engine holds `held` tokens, those of sequences at rest included.
    """

    outputs: list[Output]
    running: int
    tokens: int
    widest: int = 0
    generating: int = 0
    held: int = 0


Item = TypeVar("Item", bound=Task)


class Loop(ABC, Generic[Item]):
    """Serves jobs on the thread that calls `run`; `submit`, `cancel` and `stop` may be called from
    any. With nothing to do it blocks on its inbox and uses no processor time.
    """

    def __init__(self, emit: Callable[[Turn], None], clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._inbox: SimpleQueue[tuple[Literal["submit", "cancel"], Item] | None] = SimpleQueue()
        self._bell = Bell()
        self._stopping = False
        self._waiting: deque[Item] = deque()
        self._outputs: list[Output] = []
        self._produced = 0
        self._widest = 0
        self._changed = False
        self._steps = 0

    @property
    def progress(self) -> int:
        """Return a number that grows whenever the engine gets on with its work."""
        return self._steps + self._bell.beats

    def submit(self, job: Item) -> None:
        """Put a job at the end of the queue."""
        self._inbox.put(("submit", job))

    def cancel(self, job: Item) -> None:
        """End a job without another event; its slot is free within one step."""
        self._inbox.put(("cancel", job))
        self._bell.set()

    def stop(self) -> None:
        """Leave `run` after the current step, whatever is unfinished."""
        self._inbox.put(None)
        self._bell.set()

    def run(self) -> None:
        """Serve until stopped. An exception of the engine ends it: then nothing can be trusted."""
        while True:
            # Cleared before the inbox is read: a wish put later rings again, so none is missed.
            self._bell.clear()
            self._read_inbox()
            if self._stopping:
                return
            self._expire()
            self._start_waiting()
            self._flush()  # who came and went is told before a step, which may be long
            if self._count():
                self._step()
            self._flush()

    @abstractmethod
    def _count(self) -> int:
        """Return how many jobs are running."""

    @abstractmethod
    def _has_room(self) -> bool:
        """Say whether a waiting job could start now."""

    @abstractmethod
    def _start_waiting(self) -> None:
        """Let waiting jobs run while there is room."""

    @abstractmethod
    def _step(self) -> None:
        """Compute once for all that run."""

    @abstractmethod
    def _end(self, job: Item, events: list[Event], *, error: LmctlError | None = None) -> None:
        """Take a job out, waiting or running, and tell it was its last."""

    def _read_inbox(self) -> None:
        block = not (self._count() or self._waiting)
        while not self._stopping:
            try:
                wish = self._inbox.get(block)
            except Empty:
                return
            block = False
            match wish:
                case None:
                    self._stopping = True
                case ("submit", job):
                    self._waiting.append(job)
                case ("cancel", job):
                    self._drop(job)

    def _drop(self, job: Item) -> None:
        if not job.ended:
            self._end(job, [])

    def _expire(self) -> None:
        now = self._clock()
        for job in [each for each in self._waiting if each.deadline <= now]:
            if self._has_room():
                return
            waited = f"no slot became free within {now - job.asked_at:.1f} seconds"
            self._end(job, [], error=Busy(waited, hint="raise `parallel` or ask less at once"))

    def _flush(self) -> None:
        if self._outputs or self._changed:
            self._emit(self._turn())
            self._outputs, self._produced, self._changed = [], 0, False

    def _turn(self) -> Turn:
        """Return what is to be told now."""
        return Turn(self._outputs, self._count(), self._produced, self._widest)
