"""What each family of models writes, and what it means."""

import json
from dataclasses import dataclass, field
from itertools import count

from lmctl.base.talk import (
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from lmctl.chat.parse.calls import Offered
from lmctl.chat.parse.parser import Parser, Reading
from lmctl.runner.format_files import shipped

FORMATS = shipped()
BY_NAME = {each.name: each for each in FORMATS.families} | {"plain": FORMATS.plain}
THOUGHTS = {each.name: each for each in FORMATS.thoughts.families}
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "deep": {"type": "object"},
        "all": {"type": "boolean"},
    },
}
TOOLS = {"weather": Offered("weather", SCHEMA), "now": Offered("now", {})}


@dataclass
class Heard:
    """An answer put together again."""

    text: str = ""
    thought: str = ""
    calls: list = field(default_factory=list)
    whole: list = field(default_factory=list)

    def add(self, event):
        match event:
            case TextDelta(text=text):
                self.text += text
            case ReasoningDelta(text=text):
                self.thought += text
            case ToolCallStarted(index=index, name=name):
                assert index == len(self.calls)
                self.calls.append([name, ""])
            case ToolCallDelta(index=index, arguments=piece):
                assert index == len(self.calls) - 1
                self.calls[index][1] += piece
            case ToolCallEnded(index=index, arguments=arguments):
                assert self.calls[index][1] == arguments
                self.whole.append(index)


def reading(family="plain", thought="think", *, tools=TOOLS, **options):
    own = BY_NAME[family]
    return Reading(
        formats=(own, FORMATS.plain, FORMATS.lenient),
        thought=THOUGHTS[thought] if thought else None,
        channels=own.channels,
        tools=dict(tools),
        **options,
    )


def heard(how, *pieces):
    """Read an answer that comes in these pieces."""
    numbers = count(100_000_000)
    parser = Parser(how, new_id=lambda: str(next(numbers)))
    found = Heard()
    for piece in pieces:
        for event in parser.push(piece):
            found.add(event)
    for event in parser.finish():
        found.add(event)
    return found


def arguments(found):
    return [(name, json.loads(text)) for name, text in found.calls]
