"""The tool loop: an answer goes on after the tools it called, until the model has nothing to call."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import msgspec
import structlog

from lmctl.base.talk import (
    Call,
    Chat,
    Event,
    Finished,
    FinishReason,
    Message,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    ToolChoice,
)
from lmctl.base.usage import drafted_of, usage_of
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Answer, Gateway, MakeCall
from lmctl.serving.toolbox import Toolbox, ToolOutcome, message_of
from lmctl.serving.whole_answer import events_of

_log = structlog.get_logger("lmctl.serving")


@dataclass(frozen=True, slots=True)
class RoundBegan:
    """The tools that were called have answered; the model is asked again."""


ToolEvent = ToolOutcome | RoundBegan


class ToolRounds:
    """The rounds of one answer; what they leave open is closed by `over`."""

    def __init__(
        self,
        gateway: Gateway,
        toolbox: Toolbox,
        *,
        model: str | None,
        make: MakeCall,
        over: AsyncExitStack,
    ) -> None:
        self._gateway = gateway
        self._toolbox = toolbox
        self._model = model
        self._make = make
        self._over = over
        self._ended: list[Finished] = []
        self._said: tuple[Message, ...] = ()
        self._calls = 0

    async def events(self, first: Answer) -> AsyncGenerator[tuple[int, Event | ToolEvent], None]:
        """Yield the events of every round as those of one answer, and between them what became of
        calls. Raises what Gateway.open does.
        """
        answer = first
        while True:
            spoken = _Spoken(self._calls)
            async for event in events_of(answer):
                if isinstance(event, Finished):
                    self._ended.append(event)
                else:
                    yield 0, spoken.take(event)
            if len(self._ended) == 1:  # the first words need not wait for it
                await self._weigh(answer.route)
            outcomes: list[ToolOutcome] = []
            sees, number = self._sees(answer), len(self._ended)
            for index, call in spoken.calls:
                if self._toolbox.answers(call.name):
                    outcome = await self._toolbox.outcome(index, call)
                    outcomes.append(replace(outcome, round=number, sees=sees))
                    yield 0, outcomes[-1]
            if not outcomes or len(outcomes) < len(spoken.calls) or self._spent(answer):
                yield 0, self._finished(open_calls=len(spoken.calls) - len(outcomes))
                return
            self._said += (spoken.turn(), *map(message_of, outcomes))
            self._calls += len(spoken.calls)
            yield 0, RoundBegan()
            answer = await self._gateway.open(self._model, self._next, over=self._over)

    async def _weigh(self, route: ServedRoute) -> None:
        """Find out what the tools take of the prompt: known at once but for the first request."""
        call, found = self._make(route), self._gateway.models().instance(route.instance)
        if not isinstance(call.input, Chat):
            return
        chat = msgspec.structs.replace(call.input, tools=self._toolbox.definitions)
        context = found[1].context_length if found else 0
        weight = await self._gateway.tool_weights.of(route, chat, context=context)
        self._toolbox.weight = weight
        if weight is not None and weight.warning:
            _log.warning("tools weigh much", instance=route.instance, why=weight.warning)

    def _next(self, route: ServedRoute) -> Call:
        """Return the call for the next round. In the last one there is nothing to call."""
        call = self._make(route)
        if not isinstance(call.input, Chat):
            return call
        number = len(self._ended)
        choice = call.input.tool_choice
        mode = "none" if number >= self._toolbox.rules.rounds else "auto"
        chat = msgspec.structs.replace(
            call.input,
            messages=(*call.input.messages, *self._said),
            tool_choice=ToolChoice("none" if mode == "none" else "auto", parallel=choice.parallel),
        )
        return msgspec.structs.replace(
            call, id=f"{call.id}-{number}", input=chat, max_tokens=self._left(call)
        )

    def _left(self, call: Call) -> int | None:
        if call.max_tokens is None:
            return None
        return call.max_tokens - sum(each.usage.completion_tokens for each in self._ended)

    def _spent(self, answer: Answer) -> bool:
        """Say whether nothing more may be said: the limit of the request is reached."""
        left = self._left(self._make(answer.route))
        return left is not None and left <= 0

    def _sees(self, answer: Answer) -> bool:
        found = self._gateway.models().instance(answer.route.instance)
        return bool(found and found[0].vision)

    def _finished(self, *, open_calls: int) -> Finished:
        """Return the end of all rounds together."""
        last, ended = self._ended[-1], dict(enumerate(self._ended))
        reason: FinishReason = last.reason
        if reason == "tool_calls" and not open_calls:
            reason = "length"  # what was called has answered, and nothing may be said to it
        return msgspec.structs.replace(
            last,
            reason=reason,
            usage=usage_of(ended),
            time_to_first_token=self._ended[0].time_to_first_token,
            generation_time=sum(each.generation_time for each in self._ended),
            drafted=drafted_of(ended),
        )


class _Spoken:
    """What the model said in one round; its calls are numbered from `first` on."""

    def __init__(self, first: int) -> None:
        self.calls: list[tuple[int, ToolCall]] = []
        self._first = first
        self._begun: dict[int, ToolCallStarted] = {}
        self._text: list[str] = []
        self._thought: list[str] = []

    def take(self, event: Event) -> Event:
        """Take an event and return it as one of the whole answer."""
        match event:
            case TextDelta(text=text):
                self._text.append(text)
            case ReasoningDelta(text=text):
                self._thought.append(text)
            case ToolCallStarted(index=index):
                self._begun[index] = event
                return msgspec.structs.replace(event, index=self._first + index)
            case ToolCallDelta(index=index):
                return msgspec.structs.replace(event, index=self._first + index)
            case ToolCallEnded(index=index, arguments=arguments):
                begun = self._begun[index]
                call = ToolCall(begun.id, begun.name, arguments)
                self.calls.append((self._first + index, call))
                return msgspec.structs.replace(event, index=self._first + index)
            case _:
                pass
        return event

    def turn(self) -> Message:
        """Return it as a turn of the conversation."""
        return Message(
            role="assistant",
            content="".join(self._text),
            reasoning="".join(self._thought) or None,
            tool_calls=tuple(call for _, call in self.calls),
        )
