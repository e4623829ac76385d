"""A grammar for answers that are calls, in the model's own format, or else a document (Lark).

So a call that must be made is made, with arguments that the tool's schema allows. Marks that are
control tokens of the model stand in the grammar by their numbers: they have no text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Tool
from lmctl.chat.formats import Braced, Channels, Frame, Json, Named, Pythonic, Tagged
from lmctl.chat.structured import json_grammar
from lmctl.chat.writing import Written

Schema = Mapping[str, Any] | bool

_SPACE: Final = "SPACE: /[ \\n]{0,2}/"
_ANY: Final[Mapping[str, Any]] = {"type": "object"}
_BRACED: Final = (
    'loose: number | "true" | "false" | "null" | text | "{" (pair ("," pair)*)? "}"'
    ' | "[" (loose ("," loose)*)? "]"\n'
    'pair: KEY ":" loose\nnumber: %json {"type": "number"}\nKEY: /[A-Za-z_][A-Za-z0-9_]*/'
)


class Rules:
    """Collects the rules of one grammar. `tokens` has the numbers of marks without text."""

    def __init__(self, tokens: Mapping[str, int]) -> None:
        self._tokens = tokens
        self._rules: list[str] = []
        self._marks = re.compile("|".join(map(re.escape, tokens)) or "(?!)")

    def rule(self, body: str, *, options: str = "") -> str:
        """Add a rule and return its name."""
        name = f"r{len(self._rules)}"
        self._rules.append(f"{name}{options}: {body}")
        return name

    def text(self, *texts: str) -> str:
        """Return what stands for literal text, its marks included."""
        whole, parts, end = "".join(texts), [], 0
        for found in self._marks.finditer(whole):
            parts += _quoted(whole[end : found.start()])
            parts.append(f"<[{self._tokens[found.group()]}]>")
            end = found.end()
        return " ".join([*parts, *_quoted(whole[end:])])

    def until(self, mark: str) -> str:
        """Return a rule for any text up to and with a mark."""
        if mark in self._tokens:
            return f"{self.rule('/(?s:.*)/')} {self.text(mark)}"
        return self.rule("/(?s:.*)/", options=f"[suffix={json.dumps(mark, ensure_ascii=False)}]")

    def written(self, start: str, *more: str) -> str:
        """Return the grammar's text."""
        return "\n".join([f"start: {start}", *self._rules, _SPACE, *more])


def forced(
    way: Written | Channels,
    tools: Sequence[Tool],
    tokens: Mapping[str, int],
    *,
    single: bool,
    otherwise: Schema | None = None,
) -> str:
    """Return the grammar of answers that call one or more of the tools, named as the model knows
    them; or are a JSON document of the schema `otherwise`, if there is one. Raises BadRequest when
    that, or arguments of a strict tool, cannot be held to the schema.
    """
    rules = Rules(tokens)
    if isinstance(way, Channels):
        messages = [_channelled(rules, way, tool) for tool in tools]
        head = rules.text(f"{way.channel}{way.answer}{way.message}")
        return rules.written(_either([*messages, *_document(rules, head, otherwise)]))
    calls = rules.rule(_calls(rules, way, one_of(rules, way.frame, tools), single=single))
    document = _document(rules, "", otherwise)
    return rules.written(_either([calls, *document]), *words(rules, way.frame))


def one_of(rules: Rules, frame: Frame, tools: Sequence[Tool]) -> str:
    """Return a rule for a call of any of the tools, without the marks of its frame."""
    return rules.rule(_either([_call(rules, frame, tool) for tool in tools]))


def words(rules: Rules, frame: Frame) -> tuple[str, ...]:
    """Return the rules that the calls of a frame may use beside their own."""
    if not isinstance(frame.body, Braced):
        return ()
    quote = frame.body.quote
    return (_BRACED, f"quote: {rules.text(quote)}", f"text: quote {rules.until(quote)}")


def _document(rules: Rules, head: str, schema: Schema | None) -> list[str]:
    if schema is None:
        return []
    if isinstance(schema, bool):
        schema = {} if schema else {"enum": []}
    json_grammar(dict(schema), param="response_format")
    return [rules.rule(_row(head, f"%json {json.dumps(schema, ensure_ascii=False)}"))]


def listed(frame: Frame) -> bool:
    """Say whether a format writes all calls in one list."""
    return isinstance(frame.body, Pythonic) or (isinstance(frame.body, Json) and frame.body.listed)


def _calls(rules: Rules, way: Written, call: str, *, single: bool) -> str:
    """Return calls side by side, or in the one list that the format writes."""
    opened, begin = rules.text(way.opened), rules.text(way.frame.begin)
    return _row("SPACE", opened, begin, after_begin(rules, way, call, single=single))


def after_begin(rules: Rules, way: Written, call: str, *, single: bool, closes: bool = True) -> str:
    """Return what follows the begin of the first call; `closes`: the mark that closes all is due."""
    frame = way.frame
    end, closed = rules.text(frame.end), rules.text(way.closed) if closes else ""
    if listed(frame):
        several = "" if single else f' ("," SPACE {call})*'
        return _row(f'"[" {call}{several} "]"', end, closed)
    again = _row(rules.text(frame.begin), call, end)
    several = "" if single else f"(SPACE {again})*"
    return _row(call, end, several, closed)


def _call(rules: Rules, frame: Frame, tool: Tool) -> str:
    match frame.body:
        case Json() as body:
            name = json.dumps(tool.name, ensure_ascii=False)
            head = f'{{"{body.name[0]}": {name}, "{body.arguments[0]}": '
            return rules.rule(
                _row("SPACE", rules.text(head), arguments_of(tool), rules.text("}"), "SPACE")
            )
        case Named() as body:
            return rules.rule(_named(rules, body, tool))
        case Tagged() as body:
            return rules.rule(_tagged(rules, body, tool))
        case Pythonic():
            return rules.rule(_pythonic(rules, tool))
        case Braced():
            return rules.rule(_braced(rules, tool))


def _named(rules: Rules, body: Named, tool: Tool) -> str:
    index = "/:[0-9]{1,2}/" if body.indexed else ""
    separator = body.arguments_after or body.name_end[0]
    before = f"{body.lead}0{body.name_after}" if body.name_after else body.lead
    tail = f"\n{body.tail}" if body.tail else ""
    return _row(
        rules.text(before, body.name_prefix, tool.name),
        index,
        rules.text(separator),
        arguments_of(tool),
        rules.text(tail),
    )


def _tagged(rules: Rules, body: Tagged, tool: Tool) -> str:
    parts = [rules.text(tool.name, *body.name_end[:1], "\n" * (body.name_end[:1] != ("\n",)))]
    for key, schema, needed in _parameters(tool.parameters or {}):
        flag = body.text_flag if _is_text(schema) else body.other_flag
        head = rules.text(body.key_begin, key, body.key_end, flag, body.value_begin)
        value = _row(head, _tag_value(rules, body, schema), '"\\n"')
        parts.append(value if needed else f"({value})?")
    return _row(*parts, "" if body.end_stays else rules.text(body.end))


def _tag_value(rules: Rules, body: Tagged, schema: Mapping[str, Any]) -> str:
    if not _is_text(schema):
        return f"SPACE %json {_json(schema)} SPACE {rules.text(body.value_end)}"
    if isinstance(schema.get("enum"), list):
        return f"{_one_of(rules, schema['enum'])} {rules.text(body.value_end)}"
    return rules.until(body.value_end)


def _one_of(rules: Rules, texts: Sequence[Any]) -> str:
    return f"({_either([rules.text(str(each)) for each in texts])})"


def _pythonic(rules: Rules, tool: Tool) -> str:
    return _row(
        rules.text(f"{tool.name}("),
        _separated(
            [
                (_row(rules.text(f"{key}="), f"%json {_json(schema)}"), needed)
                for key, schema, needed in _parameters(tool.parameters or {})
            ],
            '", "',
        ),
        rules.text(")"),
    )


def _braced(rules: Rules, tool: Tool) -> str:
    return _row(rules.text(tool.name), _braced_object(rules, tool.parameters or {}))


def _braced_object(rules: Rules, schema: Mapping[str, Any]) -> str:
    pairs = [
        (_row(rules.text(f"{key}:"), _braced_value(rules, each)), needed)
        for key, each, needed in _parameters(schema)
    ]
    return _row(rules.text("{"), _separated(pairs, '","'), rules.text("}"))


def _braced_value(rules: Rules, schema: Mapping[str, Any]) -> str:
    match schema:
        case {"type": "string", "enum": list(texts)}:
            return f"quote {_one_of(rules, texts)} quote"
        case {"type": "string"}:
            return "text"
        case {"type": "integer" | "number" | "boolean"}:
            return f"%json {_json(schema)}"
        case {"type": "object", "properties": dict()}:
            return rules.rule(_braced_object(rules, schema))
        case {"type": "array", "items": dict(items)}:
            each = rules.rule(_braced_value(rules, items))
            return f'"[" ({each} ("," {each})*)? "]"'
    return "loose"


def _channelled(rules: Rules, marks: Channels, tool: Tool) -> str:
    head = f"{marks.channel}commentary to={marks.recipient_prefix}{tool.name} "
    head += f"{marks.kind}json{marks.message}"
    return rules.rule(_row(rules.text(head), arguments_of(tool)))


def _separated(items: Sequence[tuple[str, bool]], mark: str) -> str:
    """Return items with a mark between those that are there: the needed ones and any of the others."""
    needed = [item for item, must in items if must]
    others = [item for item, must in items if not must]
    row = f" {mark} ".join(needed)
    if needed:
        return _row(row, *(f"({mark} {each})?" for each in others))
    # None must be there: whichever comes first has no mark before it.
    ways = [
        _row(first, *(f"({mark} {each})?" for each in others[place + 1 :]))
        for place, first in enumerate(others)
    ]
    return f"({' | '.join(ways)})?" if ways else ""


def _parameters(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    properties = schema.get("properties") or {}
    needed = schema.get("required") or ()
    for key, each in properties.items():
        yield key, each if isinstance(each, Mapping) else {}, key in needed


def arguments_of(tool: Tool) -> str:
    """Return the grammar of a tool's arguments as JSON. Raises BadRequest for a strict one that has none."""
    schema = tool.parameters or _ANY
    return f"%json {_json({**_ANY, **schema}, strict=tool.strict)}"


def _json(schema: Mapping[str, Any], *, strict: bool = False) -> str:
    """Return a schema that can be followed; where it cannot and need not be, that of any object."""
    try:
        json_grammar(dict(schema), param="tools")
    except BadRequest:
        if strict:
            raise
        kind = schema.get("type")
        return json.dumps({"type": kind} if isinstance(kind, str) else {})
    return json.dumps(schema, ensure_ascii=False)


def _is_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string"


def _either(rules: Sequence[str]) -> str:
    return " | ".join(rules)


def _row(*parts: str) -> str:
    return " ".join(each for each in parts if each)


def _quoted(text: str) -> list[str]:
    return [json.dumps(text, ensure_ascii=False)] if text else []
