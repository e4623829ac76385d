"""Calls written as a list of Python calls: `[name(key="value"), other()]`."""

import ast
import json
import re
from typing import Final

from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.source import NotACall, Source, Steps

_NAME: Final = re.compile(r"[\w.-]*")
_PLAIN: Final = re.compile(r"[^\"'()\[\]{},\\]+")
_WORDS: Final = {"true": True, "false": False, "null": None}
_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}


def read(source: Source, calls: Calls) -> Steps[None]:
    """Read a list of calls. Raises NotACall when the first is none."""
    yield from source.spaces()
    yield from source.need("[")
    yield from _call(source, calls)
    while not calls.over:
        end = source.at
        yield from source.spaces()
        if (yield from source.take("]")):
            return
        try:
            yield from source.need(",")
            yield from _call(source, calls)
        except NotACall:
            source.at = end
            return


def _call(source: Source, calls: Calls) -> Steps[None]:
    yield from source.spaces()
    name = yield from _word(source)
    calls.check(name)
    yield from source.need("(")
    yield from source.spaces()
    if (yield from source.take(")")):
        calls.begin(name)
        calls.end()
        return
    key = yield from _key(source)
    calls.begin(name)
    if (yield from _arguments(source, calls, key)):
        calls.add("}")
    calls.end()


def _arguments(source: Source, calls: Calls, key: str) -> Steps[bool]:
    """Read the arguments from the first value on; tell whether the call came to its end."""
    before = "{"
    while True:
        text, end = yield from _value(source)
        if not end:
            return False
        calls.add(f"{before}{json.dumps(key, ensure_ascii=False)}: {_as_json(text)}")
        source.forget()
        before = ", "
        yield from source.spaces()
        if end == ")" or (yield from source.take(")")):
            return True
        try:
            key = yield from _key(source)
        except NotACall:
            return False


def _key(source: Source) -> Steps[str]:
    yield from source.spaces()
    key = yield from _word(source)
    yield from source.spaces()
    if not key or not (yield from source.take("=")):
        raise NotACall
    return key


def _word(source: Source) -> Steps[str]:
    """Read a name as long as it may go on."""
    word = ""
    while (yield from source.peek()):
        piece = source.match(_NAME)
        if not piece:
            break
        word += piece
    return word


def _value(source: Source) -> Steps[tuple[str, str]]:
    """Return the text of one value and the comma or bracket after it, empty when it was cut."""
    text, open_ = "", ""
    while char := (yield from source.peek()):
        if plain := source.match(_PLAIN):
            text += plain
            continue
        source.at += 1
        if not open_ and char in ",)":
            return text.strip(), char
        text += char
        if char in "\"'":
            text += yield from _quoted(source, char)
        elif char in _PAIRS:
            open_ += _PAIRS[char]
        elif open_.endswith(char):
            open_ = open_[:-1]
    return text, ""


def _quoted(source: Source, quote: str) -> Steps[str]:
    """Return the rest of a string, its closing quote included."""
    text = ""
    while char := (yield from source.peek()):
        source.at += 1
        text += char
        if char == quote:
            break
        if char == "\\":
            text += yield from source.peek()
            source.at += 1
    return text


def _as_json(text: str) -> str:
    if text in _WORDS:
        return json.dumps(_WORDS[text])
    try:
        return json.dumps(ast.literal_eval(text), ensure_ascii=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        pass
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text
