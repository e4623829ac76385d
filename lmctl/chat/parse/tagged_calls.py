"""Calls whose parameters are tags; their values become JSON as the tool's schema wants them."""

import ast
import json
from collections.abc import Mapping
from typing import Any

from lmctl.chat.formats import Tagged
from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.named_calls import LONGEST_NAME
from lmctl.chat.parse.source import NotACall, Source, Steps


def read(source: Source, body: Tagged, calls: Calls) -> Steps[None]:
    """Read one call. Raises NotACall when there is none."""
    text = yield from source.until((*body.name_end, body.key_begin, body.end), most=LONGEST_NAME)
    if text is None:
        raise NotACall
    name = text.strip()
    calls.begin(name)
    yield from source.take_any(body.name_end)
    whole = yield from _parameters(source, body, calls, name)
    if whole:
        calls.add("}")
    calls.end()


def _parameters(source: Source, body: Tagged, calls: Calls, name: str) -> Steps[bool]:
    """Read the parameters; tell whether the call came to its end."""
    before = "{"
    while True:
        yield from source.spaces()
        if (yield from source.ahead(body.end)):
            if not body.end_stays:
                yield from source.take(body.end)
            break
        if not (yield from source.take(body.key_begin)):
            return False
        key = yield from source.until((body.key_end,), most=LONGEST_NAME)
        if key is None:
            return False
        source.at += len(body.key_end)
        calls.add(f"{before}{json.dumps(key.strip(), ensure_ascii=False)}: ")
        before = ", "
        if not (yield from _value(source, body, calls, calls.schema(name, key.strip()))):
            return False
    if before == "{":
        calls.add("{")
    return True


def _value(source: Source, body: Tagged, calls: Calls, schema: Mapping[str, Any]) -> Steps[bool]:
    """Read one value: text as it comes, anything else once it is whole."""
    attributes = ""
    if body.value_begin:
        found = yield from source.until((body.value_begin,), most=LONGEST_NAME)
        if found is None:
            return False
        attributes = found
        source.at += len(body.value_begin)
    yield from source.take("\n")
    ends = (f"\n{body.value_end}", body.value_end)
    if _is_text(schema, attributes, body.text_flag):
        return (yield from _text(source, calls, ends))
    pieces: list[str] = []
    mark = yield from source.flow(ends, pieces.append)
    if not mark:
        return False
    source.at += len(mark)
    calls.add(as_json("".join(pieces)))
    return True


def _text(source: Source, calls: Calls, ends: tuple[str, ...]) -> Steps[bool]:
    calls.add('"')

    def add(text: str) -> None:
        calls.add(json.dumps(text, ensure_ascii=False)[1:-1])
        source.forget()

    mark = yield from source.flow(ends, add)
    if not mark:
        return False  # cut: the open string shows the client that the value is not whole
    source.at += len(mark)
    calls.add('"')
    return True


def _is_text(schema: Mapping[str, Any], attributes: str, text_flag: str) -> bool:
    if text_flag and attributes.strip():
        return text_flag in attributes
    return schema.get("type") == "string"


def as_json(text: str) -> str:
    """Return the JSON that a value written as plain text means: itself, a Python literal, or text."""
    text = text.strip()
    try:
        json.loads(text)
    except ValueError:
        return _literal(text)
    return text


def _literal(text: str) -> str:
    try:
        return json.dumps(ast.literal_eval(text), ensure_ascii=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return json.dumps(text, ensure_ascii=False)
