"""Tools for models whose template knows none: told in the system prompt, written as blocks.

Every turn with a call or a result in it becomes plain turns of assistant and user (contract 1.15).
"""

import json
from collections.abc import Iterator, Sequence

import msgspec

from lmctl.base.talk import Image, Message, Text, Tool, ToolCall
from lmctl.chat.formats import Described
from lmctl.chat.template import tool_shape


def described(
    messages: Sequence[Message], tools: Sequence[Tool], words: Described
) -> tuple[Message, ...]:
    """Return the conversation with its tools, calls and results in plain words."""
    plain = tuple(_merged(_plain(each, words) for each in messages))
    if not tools:
        return plain
    told = "\n".join(json.dumps(tool_shape(each)["function"], ensure_ascii=False) for each in tools)
    prompt = words.prompt.format(tools=told).strip()
    if plain and plain[0].role == "system":
        first = msgspec.structs.replace(plain[0], content=_joined(plain[0].content, prompt))
        return (first, *plain[1:])
    return (Message("system", prompt), *plain)


def _plain(message: Message, words: Described) -> Message:
    if message.role == "tool":
        result = words.result.format(content=_text(message.content))
        return Message("user", result)
    if not message.tool_calls:
        return message
    calls = "\n".join(_call(each, words) for each in message.tool_calls)
    return msgspec.structs.replace(
        message, content=_joined(message.content, calls, "\n"), tool_calls=()
    )


def _call(call: ToolCall, words: Described) -> str:
    name = json.dumps(call.name, ensure_ascii=False)
    return words.call.format(name=name, arguments=call.arguments or "{}")


def _merged(messages: Iterator[Message]) -> Iterator[Message]:
    """Put results that follow one another, and what the user says then, into one turn."""
    before: Message | None = None
    for message in messages:
        if before is not None and before.role == message.role == "user":
            content = _joined(before.content, message.content, "\n")
            before = msgspec.structs.replace(before, content=content)
            continue
        if before is not None:
            yield before
        before = message
    if before is not None:
        yield before


def _joined(
    content: str | tuple[Text | Image, ...],
    more: str | tuple[Text | Image, ...],
    between: str = "\n\n",
) -> str | tuple[Text | Image, ...]:
    if isinstance(content, str) and isinstance(more, str):
        return between.join(each for each in (content, more) if each)
    return (*_parts(content), Text(between), *_parts(more))


def _parts(content: str | tuple[Text | Image, ...]) -> tuple[Text | Image, ...]:
    return (Text(content),) if isinstance(content, str) else content


def _text(content: str | tuple[Text | Image, ...]) -> str:
    return "".join(part.text for part in _parts(content) if isinstance(part, Text))
