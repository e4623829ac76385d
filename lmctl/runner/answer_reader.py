"""From the text of one answer to what its asker hears: thoughts, calls, text, and why it ended."""

import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from lmctl.base.talk import ChosenToken, Event, FinishReason, TextDelta
from lmctl.chat.parse.parser import Parser, Reading
from lmctl.runner.port import Engine

_DIGITS: Final = 9


def new_call_id() -> str:
    """Return a tool call's id: nine decimal digits (contract 1.1)."""
    return str(secrets.randbelow(9 * 10 ** (_DIGITS - 1)) + 10 ** (_DIGITS - 1))


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a model may think, and the tokens that then end its thought."""

    tokens: int
    ending: tuple[int, ...]


class AnswerReader:
    """Reads one answer. `marks` has the text of tokens that an engine shows as nothing and that
    mean something in the model's format.
    """

    def __init__(
        self,
        reading: Reading | None = None,
        *,
        marks: Mapping[int, bytes] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._parser = Parser(reading or Reading(), new_id=new_call_id)
        self._marks = marks or {}
        self._budget = budget
        self._forced: deque[int] = deque()
        self.reasoning_tokens = 0

    @property
    def thinking(self) -> bool:
        """Whether what comes next is a thought, or what ends one, and not yet the answer."""
        return self._parser.thinking or bool(self._forced)

    @property
    def limited(self) -> bool:
        """Whether a thought may be ended by other tokens than those that are chosen."""
        return self._budget is not None or bool(self._forced)

    @property
    def over(self) -> bool:
        """Whether nothing that may follow is wanted."""
        return self._parser.over

    def instead(self, token: int) -> int:
        """Return the token that counts: the one that was chosen, or, once the budget for thinking
        is used up, the next of those that end the thought.
        """
        budget = self._budget
        if budget and self._parser.thinking and self.reasoning_tokens >= budget.tokens:
            self._forced.extend(budget.ending)
            self._budget = None
        return self._forced.popleft() if self._forced else token

    def piece(self, token: int, engine: Engine) -> bytes:
        """Return the bytes of a token, those of marks included."""
        return self._marks.get(token) or engine.piece(token)

    def push(self, text: str, tokens: Sequence[ChosenToken] = ()) -> list[Event]:
        """Take the text of one more token, and the tokens it is made of; return what is certain by
        now.
        """
        before = self._parser.thinking
        events = self.rest(text, tokens)
        self.reasoning_tokens += before or self._parser.thinking
        return events

    def rest(self, text: str, tokens: Sequence[ChosenToken]) -> list[Event]:
        """Take text that was held back, which is of no further token."""
        return _with_tokens(self._parser.push(text), tokens)

    def finish(self) -> list[Event]:
        """Return what was held back, when no more text comes."""
        return self._parser.finish()

    def reason(self, reason: FinishReason) -> FinishReason:
        """Return why the answer ended, seen from outside."""
        return "tool_calls" if reason == "stop" and self._parser.called else reason


def marks_of(engine: Engine, marks: Sequence[str]) -> dict[int, bytes]:
    """Return the tokens of marks that are control tokens, which an engine shows as nothing."""
    found: dict[int, bytes] = {}
    for mark in marks:
        tokens = engine.tokenize(mark, add_bos=False, parse_special=True)
        if len(tokens) == 1 and not engine.piece(tokens[0]):
            found[tokens[0]] = mark.encode()
    return found


def _with_tokens(events: list[Event], tokens: Sequence[ChosenToken]) -> list[Event]:
    """Put the tokens beside the first text of the answer proper; those of thoughts and calls are
    not told.
    """
    for place, event in enumerate(events):
        if tokens and isinstance(event, TextDelta):
            events[place] = msgspec.structs.replace(event, tokens=tuple(tokens))
            break
    return events
