"""A conversation as the text a model was trained on: its own Jinja template, run with suspicion.

Templates come inside strangers' weight files. They get an immutable sandbox with the names
Hugging Face's `apply_chat_template` gives them, and a budget: so many loop turns and so many
characters, so that no template can keep a runner busy for ever or fill its memory.
"""

import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn, cast

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Image, Message, Text, Tool, ToolCall

LONGEST_TEXT: Final = 8 * 1024 * 1024
MOST_TURNS: Final = 1_000_000
MOST_DIGITS: Final = 10**12
_WIDE: Final = re.compile(r"%[^a-zA-Z%]*(?:\d{5}|\*)")


@dataclass(frozen=True, slots=True)
class Markers:
    """The texts of a model's own begin and end tokens, as its template may write them."""

    bos: str = ""
    eos: str = ""


@dataclass(slots=True)
class _Meter:
    """What one rendering may still use."""

    turns: int = MOST_TURNS

    def spend(self, turns: int) -> None:
        self.turns -= turns
        if self.turns < 0:
            raise jinja2.TemplateRuntimeError(f"the template loops more than {MOST_TURNS} times")


class Arguments(dict[str, Any]):
    """Arguments of a tool call for a template: a mapping that reads as JSON where text is wanted.

    Half of the templates in the wild iterate over the arguments, the other half glue them to a
    string; both find what they expect.
    """

    def __str__(self) -> str:
        return _to_json(dict(self))

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`: marks the assistant's text for training; only its body."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it as an instance variable

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox of jinja2, with loops and growing values on a meter."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = _filter("metered", loop.iter)
        return _bounded_joins(tree)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow `list.append` and `pop`: real templates collect with them, and what they are given
        is theirs.
        """
        if isinstance(obj, list) and attr in {"append", "pop"}:
            return True
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        _bound_operands(operator, left, right)
        return super().call_binop(context, operator, left, right)


def _filter(name: str, value: nodes.Node) -> nodes.Filter:
    found = nodes.Filter(cast("nodes.Expr", value), name, [], [], None, None, lineno=value.lineno)
    found.environment = value.environment
    return found


def _bounded_joins(tree: nodes.Template) -> nodes.Template:
    """Put a length check around every assignment, the only way a text can grow turn by turn."""
    for assignment in tree.find_all(nodes.Assign):
        if not isinstance(assignment.node, nodes.Const):
            assignment.node = _filter("bounded", assignment.node)
    return tree


def _bound_operands(operator: str, left: Any, right: Any) -> None:
    match operator, left, right:
        case "*", str() | list() | tuple(), int():
            size = len(left) * right
        case "*", int(), str() | list() | tuple():
            size = left * len(right)
        case "%", str(), _ if _WIDE.search(left):
            raise jinja2.TemplateRuntimeError("a field in the template is too wide")
        case "**", int() | float(), int() | float() if abs(left) > MOST_DIGITS or abs(right) > 64:
            raise jinja2.TemplateRuntimeError("a power in the template is too large")
        case "*", int(), int() if abs(left) > MOST_DIGITS or abs(right) > MOST_DIGITS:
            raise jinja2.TemplateRuntimeError("a product in the template is too large")
        case "+", str() | list() | tuple(), str() | list() | tuple():
            size = len(left) + len(right)
        case _:
            return
    if size > LONGEST_TEXT:
        raise jinja2.TemplateRuntimeError(_TOO_LONG)


_TOO_LONG: Final = f"the template makes more than {LONGEST_TEXT} characters"


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
        "meter": _Meter(),
    }
    try:
        return _bounded_text(compiled(template), names)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise _refusal(error) from error
    except (AttributeError, RecursionError) as error:
        raise _refusal(error) from error


@lru_cache(maxsize=8)
def variables_of(template: str) -> frozenset[str]:
    """Return the names a template asks for; none of one that is broken."""
    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(template)))
    except jinja2.TemplateSyntaxError:
        return frozenset()


def _bounded_text(template: jinja2.Template, names: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    for piece in template.generate(names):
        size += len(piece)
        if size > LONGEST_TEXT:
            raise jinja2.TemplateRuntimeError(_TOO_LONG)
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
        return _environment().from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise BadRequest(
            f"the model's chat template is broken: line {error.lineno}: {error.message}",
            param="messages",
            hint="set `promptTemplate` of the instance to a template that works",
        ) from error


@lru_cache(maxsize=1)
def _environment() -> _Sandbox:
    extensions = ["jinja2.ext.loopcontrols", _Generation]
    found = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    found.filters["tojson"] = _to_json
    found.filters["metered"] = _metered
    found.filters["bounded"] = _bounded
    found.globals["raise_exception"] = _raise
    return found


@jinja2.pass_context
def _metered(context: jinja2.runtime.Context, values: Any) -> Any:
    """Count a loop's turns before they begin; jinja2's own sandbox bounds `range` itself."""
    found = list(values)
    context["meter"].spend(len(found))
    return found


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > LONGEST_TEXT:
        raise jinja2.TemplateRuntimeError(_TOO_LONG)
    return value


def _raise(message: object) -> NoReturn:
    raise jinja2.TemplateRuntimeError(str(message))


def _to_json(
    value: Any,
    *,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: Sequence[str] | None = None,
    sort_keys: bool = False,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """Return JSON as Hugging Face's filter does: no HTML escapes, non-ASCII as it is."""
    parts = (separators[0], separators[1]) if separators else None
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=parts,
        sort_keys=sort_keys,
        default=default,
    )


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
