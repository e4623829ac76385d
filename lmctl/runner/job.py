"""One request inside the scheduler: what is fed, what came back, and when it is over."""

import time
from dataclasses import dataclass, field

from lmctl.base.talk import (
    Event,
    Finished,
    FinishReason,
    Sampling,
    Started,
    TextDelta,
    Usage,
)
from lmctl.runner.port import Engine
from lmctl.runner.text import TextAssembler


@dataclass(slots=True, eq=False)
class Job:
    """A prompt in tokens and its answer so far; times are of the monotonic clock.

    Built by whoever asks; after it is handed over it belongs to the engine's thread.
    `deadline` is when it must have left the queue.
    """

    id: str
    prompt: list[int]
    sampling: Sampling
    max_tokens: int | None
    text: TextAssembler
    deadline: float
    asked_at: float = field(default_factory=time.monotonic)
    sequence: int = -1
    fed: int = 0
    produced: int = 0
    last: int = 0
    first_token_at: float = 0.0
    ended: bool = False

    @property
    def decoding(self) -> bool:
        return self.fed >= len(self.prompt)

    def next_tokens(self, most: int) -> list[int]:
        """Return up to `most` tokens to feed: a piece of the prompt, or the token sampled last."""
        if self.decoding:
            return [self.last]
        return self.prompt[self.fed : self.fed + most]

    def accept(self, token: int, engine: Engine, now: float) -> list[Event]:
        """Take the sampled token; return what the asker hears of it."""
        events: list[Event] = []
        if not self.first_token_at:
            self.first_token_at = now
            events.append(Started(len(self.prompt)))
        self.last = token
        if engine.is_end(token):
            return events + self.finish("stop", now)
        self.produced += 1
        shown = self.text.push(engine.piece(token))
        if shown.text:
            events.append(TextDelta(shown.text))
        if shown.stop is not None:
            return events + self.finish("stop", now, stop_string=shown.stop)
        if self._at_limit(engine.facts.context_length):
            return events + self.finish("length", now)
        return events

    def finish(
        self, reason: FinishReason, now: float, *, stop_string: str | None = None
    ) -> list[Event]:
        """Return the last events: what was held back, and Finished."""
        self.ended = True
        rest = self.text.finish() if stop_string is None else ""
        usage = Usage(prompt_tokens=len(self.prompt), completion_tokens=self.produced)
        begun = self.first_token_at or now
        finished = Finished(
            reason,
            usage,
            stop_string=stop_string,
            time_to_first_token=begun - self.asked_at,
            generation_time=now - begun,
        )
        return [TextDelta(rest), finished] if rest else [finished]

    def _at_limit(self, context_length: int) -> bool:
        if self.max_tokens is not None and self.produced >= self.max_tokens:
            return True
        return len(self.prompt) + self.produced >= context_length
