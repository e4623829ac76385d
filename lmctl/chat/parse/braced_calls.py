"""Calls written as `name{key:value,…}` with marks of their own around strings, as Gemma does."""

import json
import re
from typing import Final

from lmctl.chat.formats import Braced
from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.named_calls import LONGEST_NAME
from lmctl.chat.parse.source import NotACall, Source, Steps

_KEY: Final = re.compile(r"[\w.$-]+")
_WORDS: Final = frozenset({"true", "false", "null"})


def read(source: Source, body: Braced, calls: Calls) -> Steps[None]:
    """Read one call. Raises NotACall when there is none."""
    name = yield from source.until(("{",), most=LONGEST_NAME)
    if name is None:
        raise NotACall
    calls.begin(name.strip())
    yield from _value(source, body, calls)
    calls.end()


def _value(source: Source, body: Braced, calls: Calls) -> Steps[bool]:
    """Turn a value into JSON as it comes; tell whether it was whole."""
    depth = 0
    while char := (yield from source.peek()):
        if (yield from source.take(body.quote)):
            if not (yield from _text(source, body, calls)):
                return False
        elif char in "{[":
            depth += 1
            source.at += 1
            calls.add(char)
        elif char in "}]":
            depth -= 1
            source.at += 1
            calls.add(char)
        elif char in ":," or char.isspace():
            source.at += 1
            calls.add(char)
        elif not (yield from _word(source, calls)):
            return False
        source.forget()
        if depth == 0:
            return True
    return False


def _text(source: Source, body: Braced, calls: Calls) -> Steps[bool]:
    calls.add('"')

    def add(text: str) -> None:
        calls.add(json.dumps(text, ensure_ascii=False)[1:-1])

    mark = yield from source.flow((body.quote,), add)
    if not mark:
        return False
    source.at += len(mark)
    calls.add('"')
    return True


def _word(source: Source, calls: Calls) -> Steps[bool]:
    """Turn a bare word into JSON: a key, a number, true, false or null; tell whether it was one."""
    word = ""
    while (yield from source.peek()) and (piece := source.match(_KEY)):
        word += piece
    if not word or not (yield from source.peek()):
        return False
    plain = word in _WORDS or _is_number(word)
    calls.add(word if plain and not (yield from source.ahead(":")) else json.dumps(word))
    return True


def _is_number(word: str) -> bool:
    try:
        return isinstance(json.loads(word), int | float)
    except ValueError:
        return False
