"""Calls as a model writes them, for templates that show it tools and leave its own calls out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lmctl.base.talk import Message, Text, ToolCall
from lmctl.chat.formats import Frame, Json, Pythonic


@dataclass(frozen=True, slots=True)
class Written:
    """How one template writes a call: its frame, and the marks around all calls, if any."""

    frame: Frame
    opened: str = ""
    closed: str = ""


def can_write(way: Written) -> bool:
    """Tell whether calls can be written this way."""
    return isinstance(way.frame.body, Json | Pythonic)


def with_calls_written(messages: Sequence[Message], way: Written) -> tuple[Message, ...]:
    """Return the turns with every call in the text of its turn."""
    return tuple(_written(each, way) if each.tool_calls else each for each in messages)


def _written(message: Message, way: Written) -> Message:
    text = _text(message.tool_calls, way)
    content = message.content
    whole = content + text if isinstance(content, str) else (*content, Text(text))
    return msgspec.structs.replace(message, content=whole, tool_calls=())


def _text(calls: Sequence[ToolCall], way: Written) -> str:
    frame, body = way.frame, way.frame.body
    if isinstance(body, Json) and not body.listed:
        inner = "\n".join(f"{frame.begin}{_json(each, body)}{frame.end}" for each in calls)
    else:
        listed = [_json(each, body) if isinstance(body, Json) else _python(each) for each in calls]
        inner = f"{frame.begin}[{', '.join(listed)}]{frame.end}"
    return f"{way.opened}{inner}{way.closed}"


def _json(call: ToolCall, body: Json) -> str:
    name = json.dumps(call.name, ensure_ascii=False)
    return f'{{"{body.name[0]}": {name}, "{body.arguments[0]}": {call.arguments or "{}"}}}'


def _python(call: ToolCall) -> str:
    try:
        given = json.loads(call.arguments or "{}")
    except ValueError:
        given = {}
    pairs = given.items() if isinstance(given, dict) else ()
    return f"{call.name}({', '.join(f'{key}={value!r}' for key, value in pairs)})"
