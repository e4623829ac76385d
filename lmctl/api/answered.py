"""Everything one answer was, in the order the model said it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from lmctl.base.talk import (
    ChosenToken,
    Embedded,
    Event,
    Finished,
    Message,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
)
from lmctl.serving.tool_rounds import ToolEvent
from lmctl.serving.toolbox import ToolOutcome, message_of


@dataclass(frozen=True, slots=True)
class Said:
    """Text of the answer itself, and its tokens where they were asked for."""

    text: str
    tokens: tuple[ChosenToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model thought before it went on."""

    text: str


AnswerEvent = Event | ToolEvent
Part = Said | Thought | ToolCall | ToolOutcome


@dataclass(frozen=True, slots=True)
class Answered:
    """A complete answer: its parts in order, and the tokens of its text where they were asked for;
    or the vectors of the texts asked.
    """

    parts: tuple[Part, ...]
    finished: Finished
    tokens: tuple[ChosenToken, ...] = ()
    vectors: tuple[bytes, ...] = ()

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.parts if isinstance(each, Said))

    @property
    def reasoning(self) -> str:
        return "".join(each.text for each in self.parts if isinstance(each, Thought))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(each for each in self.parts if isinstance(each, ToolCall))


@dataclass(slots=True)
class Collector:
    """Puts the events of one answer together."""

    _parts: list[Part] = field(default_factory=list)
    _pieces: list[str] = field(default_factory=list)
    _kind: type[Said] | type[Thought] = Said
    _begun: dict[int, ToolCallStarted] = field(default_factory=dict)
    _tokens: list[ChosenToken] = field(default_factory=list)
    _told: int = 0
    _vectors: list[bytes] = field(default_factory=list)

    def add(self, event: AnswerEvent) -> Answered | None:
        """Take the next event; return the answer with its last one. What became of a call stands in
        the place of the call.
        """
        match event:
            case ToolOutcome(call=call):
                self._parts = [event if each == call else each for each in self._parts]
            case TextDelta(text=text, tokens=tokens):
                self._say(Said, text)
                self._tokens += tokens
            case ReasoningDelta(text=text):
                self._say(Thought, text)
            case ToolCallStarted(index=index):
                self._close()
                self._begun[index] = event
            case ToolCallEnded(index=index, arguments=arguments):
                begun = self._begun[index]
                self._parts.append(ToolCall(begun.id, begun.name, arguments))
            case Embedded(vectors=vectors):
                self._vectors += vectors
            case Finished():
                self._close()
                parts, tokens = tuple(self._parts), tuple(self._tokens)
                return Answered(parts, event, tokens, tuple(self._vectors))
            case _:
                pass
        return None

    def so_far(self) -> tuple[Part, ...]:
        """Return the parts of an answer that broke off."""
        self._close()
        return tuple(self._parts)

    def _say(self, kind: type[Said] | type[Thought], text: str) -> None:
        if not text:
            return
        if kind is not self._kind:
            self._close()
            self._kind = kind
        self._pieces.append(text)

    def _close(self) -> None:
        if text := "".join(self._pieces):
            self._parts.append(Thought(text) if self._kind is Thought else self._said(text))
        self._pieces.clear()

    def _said(self, text: str) -> Said:
        """Return text with the tokens that came since the last one."""
        tokens = tuple(self._tokens[self._told :])
        self._told = len(self._tokens)
        return Said(text, tokens)


def turns_of(answer: Answered) -> Iterator[Message]:
    """Yield what was said as turns of a conversation: one more for every round of tools."""
    turn: list[Part] = []
    for part in answer.parts:
        if turn and _begins_round(turn[-1], part):
            yield from _turn(turn)
            turn = []
        turn.append(part)
    yield from _turn(turn)


def _begins_round(last: Part, part: Part) -> bool:
    if not isinstance(last, ToolOutcome):
        return False
    match part:
        case ToolOutcome(round=number):
            return number != last.round
        case ToolCall():
            return False
    return True


def _turn(parts: list[Part]) -> Iterator[Message]:
    calls = [each for each in parts if isinstance(each, (ToolCall, ToolOutcome))]
    yield Message(
        role="assistant",
        content="".join(each.text for each in parts if isinstance(each, Said)),
        reasoning="".join(each.text for each in parts if isinstance(each, Thought)) or None,
        tool_calls=tuple(each.call if isinstance(each, ToolOutcome) else each for each in calls),
    )
    yield from (message_of(each) for each in calls if isinstance(each, ToolOutcome))
