"""A conversation as the text a model was trained on: its own Jinja template, run with suspicion.

Templates come inside strangers' weight files. They get the names Hugging Face's
`apply_chat_template` gives them, in a sandbox where everything is counted (`template_sandbox`).
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import meta

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Image, Message, Text, Tool, ToolCall
from lmctl.chat.template_budget import Meter, fits
from lmctl.chat.template_sandbox import METER, environment


@dataclass(frozen=True, slots=True)
class Markers:
    """The texts of a model's own begin and end tokens, as its template may write them."""

    bos: str = ""
    eos: str = ""


class Arguments(dict[str, Any]):
    """Arguments of a tool call for a template: a mapping that reads as JSON where text is wanted.

    Half of the templates in the wild iterate over the arguments, the other half glue them to a
    string; both find what they expect.
    """

    def __str__(self) -> str:
        return json.dumps(dict(self), ensure_ascii=False)

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)


def render(
    template: str,
    messages: Sequence[Message],
    *,
    now: datetime,
    markers: Markers = Markers(),
    tools: Sequence[Tool] = (),
    variables: Mapping[str, Any] | None = None,
    add_generation_prompt: bool = True,
) -> str:
    """Return the conversation as prompt text, ready to be tokenized with special tokens.

    `now` is what the template's `strftime_now` shows; `variables` are extra names for the
    template (`enable_thinking`, …) and do not replace the standard ones. Raises BadRequest with
    the template's own words when it refuses the conversation, or when it is broken.
    """
    names = dict(variables or {}) | {
        "messages": [_plain(message) for message in messages],
        "tools": [tool_shape(each) for each in tools] or None,
        "bos_token": markers.bos,
        "eos_token": markers.eos,
        "add_generation_prompt": add_generation_prompt,
        "strftime_now": now.strftime,
        METER: Meter(),
    }
    try:
        return _bounded_text(compiled(template), names)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise _refusal(error) from error
    except (AttributeError, RecursionError, MemoryError) as error:
        raise _refusal(error) from error


@lru_cache(maxsize=8)
def variables_of(template: str) -> frozenset[str]:
    """Return the names a template asks for; none of one that is broken."""
    try:
        return frozenset(meta.find_undeclared_variables(environment().parse(template)))
    except jinja2.TemplateSyntaxError:
        return frozenset()


def _bounded_text(template: jinja2.Template, names: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    for piece in template.generate(names):
        size += len(piece)
        fits(size)
        pieces.append(piece)
    return "".join(pieces)


def _refusal(error: Exception) -> BadRequest:
    return BadRequest(
        f"the model's chat template refused the conversation: {error}",
        param="messages",
        hint="the template decides which roles and orders it accepts; see `chat_template` of the model",
    )


@lru_cache(maxsize=8)
def compiled(template: str) -> jinja2.Template:
    """Return the template ready to render.

    Raises BadRequest when the text is no Jinja template, naming its line.
    """
    try:
        return environment().from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise BadRequest(
            f"the chat template is broken: line {error.lineno}: {error.message}",
            param="messages",
            hint="set `promptTemplate` of the instance to a template that works",
        ) from error


def _plain(message: Message) -> dict[str, Any]:
    """Return what templates expect: only the keys that mean something for this message."""
    found: dict[str, Any] = {"role": message.role, "content": _content(message.content)}
    if message.name is not None:
        found["name"] = message.name
    if message.reasoning is not None:
        found["reasoning_content"] = found["thinking"] = message.reasoning
    if message.tool_calls:
        found["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    return found


def _content(content: str | tuple[Text | Image, ...]) -> str | list[dict[str, Any]]:
    """Return parts as a list only where one is no text: older templates read nothing but a string."""
    if isinstance(content, str):
        return content
    if all(isinstance(part, Text) for part in content):
        return "".join(part.text for part in content if isinstance(part, Text))
    return [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
        for part in content
    ]


def tool_shape(tool: Tool) -> dict[str, Any]:
    """Return a tool in OpenAI's shape, the one templates are written for."""
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _tool_call(call: ToolCall) -> dict[str, Any]:
    arguments: Any = call.arguments
    with contextlib.suppress(json.JSONDecodeError):
        decoded = json.loads(arguments)
        arguments = Arguments(decoded) if isinstance(decoded, dict) else arguments
    function = {"name": call.name, "arguments": arguments}
    return {"type": "function", "id": call.id, "function": function}
