"""What becomes of the events of one request beside the bytes that are sent: answers, counts, log."""

from typing import Any

import structlog

from lmctl.api.answered import Answered, AnswerEvent, Collector
from lmctl.api.closing import Exchange
from lmctl.base.talk import (
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from lmctl.base.usage import usage_of

_log = structlog.get_logger("lmctl.access")


class Tally:
    """Takes the events of one request's answers as they come: tells metrics and log of them, and
    puts the answers together where somebody (`keeps`, or the log) wants them whole.
    """

    def __init__(self, exchange: Exchange, count: int, *, keeps: bool) -> None:
        self._exchange = exchange
        self._logs = exchange.surface.logs
        self._ended: dict[int, Finished] = {}
        wanted = keeps or self._logs.prompts
        self._collectors = [Collector() for _ in range(count)] if wanted else []
        self._complete: dict[int, Answered] = {}

    def add(self, index: int, event: AnswerEvent) -> None:
        """Take the next event of the answer number `index`."""
        if self._collectors and (answer := self._collectors[index].add(event)) is not None:
            self._complete[index] = answer
        if self._logs.tokens:
            self._log_piece(index, event)
        match event:
            case TextDelta() | ReasoningDelta() | ToolCallStarted():
                if self._exchange.asked is not None:
                    self._exchange.asked.spoke()
            case Finished():
                self._finish(index, event)
            case _:
                pass

    def answers(self) -> tuple[Answered, ...]:
        """Return the answers that are complete, in order."""
        return tuple(self._complete[index] for index in sorted(self._complete))

    def _finish(self, index: int, event: Finished) -> None:
        self._ended[index] = event
        usage = usage_of(self._ended)
        if self._exchange.asked is not None:
            self._exchange.asked.used(usage)
        self._exchange.notes |= {
            "prompt_tokens": usage.prompt_tokens,
            "tokens": usage.completion_tokens,
            "finish": event.reason,
        }
        if self._logs.prompts:
            self._exchange.notes["answer"] = [_logged(each) for each in self.answers()]

    def _log_piece(self, index: int, event: AnswerEvent) -> None:
        match event:
            case (
                TextDelta(text=piece) | ReasoningDelta(text=piece) | ToolCallDelta(arguments=piece)
            ):
                told = {"request_id": self._exchange.request_id, "answer": index, "piece": piece}
                _log.info("token", kind=type(event).__name__, **told)
            case _:
                pass


def _logged(answer: Answered) -> dict[str, Any]:
    """Return what an answer said, without what is empty."""
    calls = [f"{each.name}({each.arguments})" for each in answer.tool_calls]
    told = {"text": answer.text, "reasoning": answer.reasoning, "calls": calls}
    return {key: value for key, value in told.items() if value}
