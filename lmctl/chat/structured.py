r"""From what an answer must be to a grammar the mask library follows, or a reason why it cannot.

Documents may have one blank, or a line break and indentation, where JSON allows any amount of
white space, so that no model loses itself there. Characters in texts are written as themselves, not
as `\u` escapes: two spellings of one name would pass for two names.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Constraint, Grammar, JsonDocument, OneOf, Pattern
from lmctl.chat.gbnf_lark import to_lark
from lmctl.chat.json_schema import Prepared, prepare
from lmctl.chat.json_schema_ends import has_an_end
from lmctl.chat.json_schema_fault import find_fault
from lmctl.chat.masks import BadGrammar, State, regex_in_lark

LARGEST_SCHEMA: Final = 256 * 1024
"""Characters of a JSON schema's text; the largest take a second to compile."""
LARGEST_GRAMMAR: Final = 32 * 1024
"""Characters of a grammar, a pattern or all choices: rules may be nested as deep as there are any."""

_SEARCHED: Final = 32 * 1024
"""Characters of a schema in which the place of a fault is looked for: that compiles it often."""
_SCHEMA: Final = "response_format"
_PREFACE: Final = "failed to compile JSON schema: "
_SCHEMA_INSIDE: Final = re.compile(r"%json\s*(?=\{)")
_AT: Final = re.compile(r"^(?:at )?(\d+)\((\d+)\): ")

Compile = Callable[[str], State]

_OPTIONS: Final = {
    "whitespace_pattern": r"\x20|\r?\n[\x20\t]{0,32}",
    "json_allowed_escapes": 'nrbtf\\"',
    "coerce_one_of": True,  # `prepare` has seen that no two options fit one value
}


def compiled(constraint: Constraint, compile_grammar: Compile) -> State:
    """Return the state of an answer not begun. Raises BadRequest naming what is wrong, and where."""
    match constraint:
        case JsonDocument(json_schema=schema):
            return _document({"type": "object"} if schema is None else schema, compile_grammar)
        case Grammar(grammar=text, syntax=syntax):
            if syntax == "gbnf":
                _check_size(text, "grammar")
                return _followed(to_lark(text), compile_grammar, param="grammar")
            return _followed(_with_prepared_schemas(text), compile_grammar, param="grammar")
        case Pattern(regex=regex):
            _check_size(regex, "regex")
            return _followed(f"start: /{regex_in_lark(regex)}/", compile_grammar, param="regex")
        case OneOf(choices=choices):
            return _followed(_choice(choices), compile_grammar, param="choice")


def json_grammar(schema: Any, *, param: str) -> str:
    """Return the grammar of JSON documents that a schema allows, to stand behind Lark's `%json`.

    Raises BadRequest.
    """
    return _with_options(prepare(schema, param=param).schema)


def _document(schema: Any, compile_grammar: Compile) -> State:
    prepared = prepare(schema, param=_SCHEMA)
    text = _with_options(prepared.schema)
    _check_schema(text)
    if not has_an_end(prepared.schema):
        raise BadRequest(
            "the JSON schema calls itself without an end: no document is ever complete",
            param=_SCHEMA,
            hint="what is required of a thing should not always be another such thing",
        )
    try:
        return compile_grammar(f"start: %json {text}")
    except BadGrammar as error:
        place = _place(prepared, compile_grammar) if len(text) < _SEARCHED else ""
        why = _AT.sub("", str(error), count=1).removeprefix(_PREFACE)
        raise BadRequest(f"of the JSON schema, `{place or '/'}`: {why}", param=_SCHEMA) from error


def _place(prepared: Prepared, compile_grammar: Compile) -> str:
    def fails(schema: Any) -> bool:
        try:
            compile_grammar(f"start: %json {_with_options(schema)}")
        except BadGrammar:
            return True
        return False

    return find_fault(prepared, fails)


def _with_options(schema: Any) -> str:
    if isinstance(schema, bool):
        schema = {} if schema else {"enum": []}
    return json.dumps(schema | {"x-guidance": _OPTIONS}, ensure_ascii=False)


def _followed(lark: str, compile_grammar: Compile, *, param: str) -> State:
    try:
        return compile_grammar(lark)
    except BadGrammar as error:
        found = _AT.match(str(error))
        where = f", line {found[1]}, column {found[2]}" if found and param == "grammar" else ""
        why = str(error)[found.end() :] if found else str(error)
        raise BadRequest(f"the {param} cannot be followed{where}: {why}", param=param) from error


def _with_prepared_schemas(lark: str) -> str:
    """Return a Lark grammar with the schemas in it put as any other schema is; those have a size
    limit of their own.
    """
    found, end, rules = [], 0, lark
    for mark in _SCHEMA_INSIDE.finditer(lark):
        try:
            schema, length = json.JSONDecoder().raw_decode(lark[mark.end() :])
        except (json.JSONDecodeError, RecursionError):
            continue  # the library says what is wrong, and where
        found += [lark[end : mark.end()], json_grammar(schema, param="grammar")]
        end = mark.end() + length
        rules = rules.replace(lark[mark.end() : end], "", 1)
    _check_size(rules, "grammar")
    _check_schema("".join(found))
    return "".join([*found, lark[end:]])


def _choice(choices: tuple[str, ...]) -> str:
    if not choices:
        raise BadRequest("the choices are none; give at least one", param="choice")
    _check_size("".join(choices), "choice")
    # One terminal for all: the library decides between terminals by the longest, too early.
    return "start: CHOICE\nCHOICE: " + " | ".join(map(json.dumps, choices))


def _check_schema(text: str) -> None:
    if len(text) > LARGEST_SCHEMA:
        raise BadRequest(
            f"the JSON schema has {len(text)} characters, at most {LARGEST_SCHEMA} are taken",
            param=_SCHEMA,
        )


def _check_size(text: str, param: str) -> None:
    if len(text) > LARGEST_GRAMMAR:
        raise BadRequest(
            f"the {param} has {len(text)} characters, at most {LARGEST_GRAMMAR} are taken",
            param=param,
        )
