"""The parser of one answer: pieces of text in, events out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lmctl.base.talk import Event, ReasoningDelta, TextDelta, ToolCallDelta
from lmctl.chat.formats import Channels, Format, Frame, Thought
from lmctl.chat.parse.answer import Answer
from lmctl.chat.parse.calls import Calls, Offered
from lmctl.chat.parse.channels import ChannelAnswer
from lmctl.chat.parse.source import Source


@dataclass(frozen=True, slots=True)
class Reading:
    """How an answer is to be read.

    `tools` are those that may be called, by the names the model was told; without any, marks of
    calls are text. `inside` says that the prompt has opened a thought. `separate` False leaves
    thoughts in the content. `single` ends the answer with its first call. In the frames
    `strangers` what nobody offered is a call too.
    """

    formats: tuple[Format, ...] = ()
    thought: Thought | None = None
    channels: Channels | None = None
    tools: dict[str, Offered] = field(default_factory=dict)
    inside: bool = False
    separate: bool = True
    single: bool = False
    strangers: tuple[Frame, ...] = ()


class Parser:
    """Reads one answer. What it says, put together, does not depend on how the text was cut."""

    def __init__(self, reading: Reading, *, new_id: Callable[[], str]) -> None:
        self._source = Source()
        self._events: list[Event] = []
        self._calls = Calls(
            reading.tools,
            new_id=new_id,
            emit=self._events.append,
            single=reading.single,
            own=reading.strangers,
        )
        self._answer = self._reader(reading)
        self._steps = self._answer.read()
        self._done = False

    @property
    def thinking(self) -> bool:
        """Whether the text read last is part of a thought."""
        return self._answer.thinking

    @property
    def called(self) -> bool:
        """Whether the answer has a call in it."""
        return self._calls.made > 0

    @property
    def over(self) -> bool:
        """Whether nothing that may follow is wanted: the one call that is allowed is complete, or the
        model began to write a result itself.
        """
        return self._answer.over

    def push(self, text: str) -> list[Event]:
        """Take more text; return what is certain by now."""
        if text:
            self._source.add(text)
            self._run()
        return self._told()

    def finish(self) -> list[Event]:
        """Return what was held back, when no more text comes."""
        self._source.closed = True
        self._run()
        return self._told()

    def _run(self) -> None:
        if not self._done:
            self._done = next(self._steps, self) is self

    def _told(self) -> list[Event]:
        told: list[Event] = []
        for event in self._events:
            last = told[-1] if told else None
            match last, event:
                case TextDelta(text=before), TextDelta(text=text):
                    told[-1] = TextDelta(before + text)
                case ReasoningDelta(text=before), ReasoningDelta(text=text):
                    told[-1] = ReasoningDelta(before + text)
                case ToolCallDelta(number, before), ToolCallDelta(index, text) if number == index:
                    told[-1] = ToolCallDelta(index, before + text)
                case _:
                    told.append(event)
        self._events.clear()
        return told

    def _reader(self, reading: Reading) -> Answer | ChannelAnswer:
        if reading.channels is not None:
            return ChannelAnswer(
                self._source,
                self._calls,
                self._events.append,
                marks=reading.channels,
                separate=reading.separate,
            )
        return Answer(
            self._source,
            self._calls,
            self._events.append,
            formats=reading.formats if reading.tools else (),
            thought=reading.thought,
            inside=reading.inside,
            separate=reading.separate,
        )
