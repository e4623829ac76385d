"""What an engine did and holds, in numbers: counted on the event loop from what steps produced."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from lmctl.base.spec import Work
from lmctl.base.talk import Finished, Started
from lmctl.runner.loop import Turn

WINDOW: Final = 10.0
"""Seconds of generating that the rate is of."""


class Meter:
    """Adds up turns. `room` is how many tokens the engine's context holds, of all sequences."""

    def __init__(self, *, room: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._work = Work(room=room)
        self._spans: deque[tuple[float, int]] = deque()  # seconds of generating, tokens in them
        self._seconds = 0.0
        self._tokens = 0
        self._since: float | None = None

    def add(self, turn: Turn) -> Work:
        """Count what one step meant; return all there is so far."""
        self._measure(turn)
        work = self._work
        prompt, cached = work.prompt_tokens, work.cached_tokens
        drafted, accepted = work.drafted, work.accepted
        for event in (each for output in turn.outputs for each in output.events):
            match event:
                case Started(prompt_tokens, cached_tokens):
                    prompt, cached = prompt + prompt_tokens, cached + cached_tokens
                case Finished(drafted=told) if told is not None:
                    drafted, accepted = drafted + told.total, accepted + told.accepted
                case _:
                    pass
        self._work = Work(
            prompt_tokens=prompt,
            cached_tokens=cached,
            drafted=drafted,
            accepted=accepted,
            held=turn.held,
            room=work.room,
            generating=turn.generating,
            rate=self._tokens / self._seconds if self._seconds > 0 else 0.0,
        )
        return self._work

    def _measure(self, turn: Turn) -> None:
        """Add the time since the last turn, if somebody was generating in it."""
        now = self._clock()
        if self._since is not None:
            self._spans.append((now - self._since, turn.tokens))
            self._seconds += now - self._since
            self._tokens += turn.tokens
            while self._seconds - self._spans[0][0] > WINDOW:
                seconds, tokens = self._spans.popleft()
                self._seconds -= seconds
                self._tokens -= tokens
        self._since = now if turn.generating else None
