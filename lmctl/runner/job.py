"""One request inside the scheduler: what is fed, what came back, and when it is over."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lmctl.base.errors import EngineFailed
from lmctl.base.talk import (
    ChosenToken,
    Event,
    Finished,
    FinishReason,
    PromptProgress,
    Sampling,
    Started,
    TextDelta,
    Usage,
)
from lmctl.runner.answer_reader import AnswerReader
from lmctl.runner.guessing import Guessing
from lmctl.runner.port import Engine, Feed, Matcher, Picture, Sampled
from lmctl.runner.text import Shown, TextAssembler


@dataclass(slots=True, eq=False)
class Job:
    """A prompt in tokens and its answer so far; times are of the monotonic clock.

    Built by whoever asks; after it is handed over it belongs to the engine's thread.
    `deadline` is when it must have left the queue. `matcher` constrains the answer; `logprobs` is
    how many likely tokens to tell beside each token, None for not even its own probability;
    `guessing` is how tokens are drafted for it, None for not at all.
    `keep` tokens at the begin stay when the context is full and others go, None ends it there;
    `progress` asks for events while the prompt is read; `said` is the prompt as text.

    `tokens` is what its sequence is to hold: the prompt and the answer; the first `fed` it holds.
    `pictures` are in it, by the place of their first token; each is read as a whole, by itself.
    `cached` of the prompt were there before it came; until it is `fresh` no more, it was not fed.
    `moved` tells that what is behind the first `keep` tokens was read beside others, now gone.
    """

    id: str
    prompt: list[int]
    sampling: Sampling
    max_tokens: int | None
    text: TextAssembler
    deadline: float
    reader: AnswerReader = field(default_factory=AnswerReader)
    matcher: Matcher | None = None
    pictures: Mapping[int, Picture] = field(default_factory=dict)
    logprobs: int | None = None
    guessing: Guessing | None = None
    keep: int | None = None
    progress: bool = False
    said: str = ""
    asked_at: float = field(default_factory=time.monotonic)
    sequence: int = -1
    tokens: list[int] = field(init=False)
    fed: int = 0
    cached: int = 0
    fresh: bool = True
    moved: bool = False
    produced: int = 0
    untaken: int = 0
    first_token_at: float = 0.0
    ended: bool = False
    unsent: list[ChosenToken] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt)

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has."""
        return len(self.prompt)

    @property
    def decoding(self) -> bool:
        """Whether one token is left to feed: the one that was chosen last, or the prompt's last."""
        return self.fed >= len(self.tokens) - 1

    @property
    def left_to_read(self) -> int:
        """How many tokens it feeds before one can be chosen."""
        return len(self.tokens) - self.fed

    @property
    def broken(self) -> EngineFailed | None:
        """Return why the answer is not what was asked for although the model ended it."""
        if self.matcher is None or self.matcher.trouble is None:
            return None
        return EngineFailed(
            f"the answer could not be held to its grammar any longer: {self.matcher.trouble}",
            hint="the grammar allows too much at once here; a simpler one will do",
        )

    @property
    def readable(self) -> int:
        """How many of its tokens others may take as read: as if nothing else had been there."""
        return min(self.fed, self.keep) if self.moved and self.keep is not None else self.fed

    @property
    def picture(self) -> Picture | None:
        """The picture that is to be read next, None where a token is."""
        return self.pictures.get(self.fed)

    def feed(self, most: int) -> Feed:
        """Return the next tokens to feed, `most` of them at most while it is reading."""
        end = len(self.tokens) if self.decoding else min(len(self.tokens), self.fed + most)
        end = min((at for at in self.pictures if self.fed <= at < end), default=end)
        wants = int(end == len(self.tokens))
        return Feed(self.sequence, self.tokens[self.fed : end], wants)

    def accept(self, found: Sequence[Sampled], engine: Engine, now: float) -> list[Event]:
        """Take the tokens that were chosen; return what the asker hears of them."""
        events: list[Event] = []
        if found and not self.first_token_at:
            self.first_token_at = now
            events.append(Started(len(self.prompt), self.cached))
        for place, sampled in enumerate(found, 1):
            self.untaken = len(found) - place
            token = self.reader.instead(sampled.token)
            events += self._take(token, sampled, engine, now)
            if self.ended or token != sampled.token:
                break  # what follows was chosen after a token that does not count
        return events

    @property
    def guessable(self) -> bool:
        """Whether tokens are guessed for it now: not in a thought at whose end something changes for
        the tokens behind it, for these would be chosen in the same step.
        """
        changing = self.matcher is not None or self.reader.limited
        return self.guessing is not None and not (self.reader.thinking and changing)

    def left(self, context_length: int) -> int:
        """Return how many tokens it may still produce."""
        room = context_length - len(self.tokens)
        return room if self.max_tokens is None else min(room, self.max_tokens - self.produced)

    def _take(self, token: int, sampled: Sampled, engine: Engine, now: float) -> list[Event]:
        self.tokens.append(token)
        if engine.is_end(token):
            return self.finish("stop", now)
        self.produced += 1
        if sampled.chosen is not None:
            self.unsent.append(sampled.chosen)
        shown = self.text.push(self.reader.piece(token, engine))
        events = self._told(shown)
        if self.matcher is not None and not self.reader.thinking:
            self.matcher.begin()
        if shown.stop is not None:
            return events + self.finish("stop", now, stop_string=shown.stop)
        if self.reader.over or (self.matcher is not None and self.matcher.ended):
            return events + self.finish("stop", now)
        if self.max_tokens is not None and self.produced >= self.max_tokens:
            return events + self.finish("length", now)
        if self.keep is None and len(self.tokens) >= engine.facts.context_length:
            return events + self.finish("length", now, context_full=True)
        return events

    def _told(self, shown: Shown) -> list[Event]:
        """Return what the asker hears of more text, with the tokens it was made of."""
        tokens = self._shown_tokens(shown.text) if shown.stop is not None else self.unsent
        events = self.reader.push(shown.text, tokens)
        if events:
            self.unsent = []
        return events

    def _shown_tokens(self, text: str) -> list[ChosenToken]:
        """Return the tokens that begin in a text which ends before a stop string."""
        left = len(text.encode())
        found = []
        for token in self.unsent:
            if left <= 0:
                break
            found.append(token)
            left -= len(token.chosen.piece)
        return found

    def _rest(self) -> list[Event]:
        """Return what was held back, and tokens that made no text."""
        events = self.reader.rest(self.text.finish(), self.unsent)
        if events:
            self.unsent = []
        if self.unsent and self.reader.reason("stop") == "stop":
            events.append(TextDelta("", tuple(self.unsent)))
        return events

    def read(self, tokens: int) -> list[Event]:
        """Note that so many more were fed; return what the asker hears of it."""
        self.fed += tokens
        if not self.progress or self.first_token_at:
            return []
        return [PromptProgress(self.fed, len(self.prompt))]

    def finish(
        self,
        reason: FinishReason,
        now: float,
        *,
        stop_string: str | None = None,
        context_full: bool = False,
    ) -> list[Event]:
        """Return the last events: what was held back, and Finished."""
        self.ended = True
        last = [] if stop_string is not None else self._rest()
        last += self.reader.finish()
        usage = Usage(
            len(self.prompt),
            self.produced,
            cached_tokens=self.cached,
            reasoning_tokens=self.reader.reasoning_tokens,
        )
        begun = self.first_token_at or now
        finished = Finished(
            self.reader.reason(reason),
            usage,
            stop_string=stop_string,
            context_full=context_full,
            time_to_first_token=begun - self.asked_at,
            generation_time=now - begun,
            drafted=self.guessing.told(self.untaken) if self.guessing is not None else None,
        )
        return [*last, finished]
