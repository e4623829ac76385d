"""Everything one answer was, in the order the model said it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lmctl.base.talk import (
    ChosenToken,
    Drafted,
    Embedded,
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Said:
    """Text of the answer itself, and its tokens where they were asked for."""

    text: str
    tokens: tuple[ChosenToken, ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """What the model thought before it went on."""

    text: str


Part = Said | Thought | ToolCall


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

    def add(self, event: Event) -> Answered | None:
        """Take the next event; return the answer with its last one."""
        match event:
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


def usage_of(ended: Mapping[int, Finished], *, choices: int = 1) -> Usage:
    """Return what several answers to one request took together, by their number. A prompt that got
    several `choices` is counted once, as OpenAI does.
    """
    counts = [each.usage for each in ended.values()]
    prompts = [each.usage for index, each in ended.items() if index % choices == 0]
    return Usage(
        prompt_tokens=sum(each.prompt_tokens for each in prompts),
        completion_tokens=sum(each.completion_tokens for each in counts),
        cached_tokens=sum(each.cached_tokens for each in prompts),
        reasoning_tokens=sum(each.reasoning_tokens for each in counts),
    )


def drafted_of(ended: Mapping[int, Finished]) -> Drafted | None:
    """Return what speculative decoding did for several answers together; None where it was off."""
    found = [each.drafted for each in ended.values() if each.drafted is not None]
    if not found:
        return None
    return Drafted(
        found[0].drafter,
        total=sum(each.total for each in found),
        accepted=sum(each.accepted for each in found),
        rejected=sum(each.rejected for each in found),
        ignored=sum(each.ignored for each in found),
    )
