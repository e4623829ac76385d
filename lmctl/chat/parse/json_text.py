"""Reading JSON that is still being written, as text: its arguments go on as the model wrote them."""

import json
import re
from typing import Final

from lmctl.chat.parse.source import Emit, NotACall, Source, Steps

_WITHIN: Final = re.compile(r'[^"\\]+')
_BETWEEN: Final = re.compile(r"[\s,:\w.+-]+")
_WORD: Final = re.compile(r"[\w.+-]+")
_CONTROLS: Final = {code: json.dumps(chr(code))[1:-1] for code in range(0x20)}
_OPENING: Final = "{["
_CLOSING: Final = "}]"


def ignore(text: str) -> None:
    """Take text nobody wants."""


def value(source: Source, emit: Emit) -> Steps[bool]:
    """Read one value and hand over its text piece by piece; tell whether it was whole.

    Only what tells where it ends is looked at. Raw control characters in strings, which small
    models write, are escaped.
    """
    depth = 0
    while char := (yield from source.peek()):
        if char == '"':
            if not (yield from string(source, emit)):
                return False
        elif char in _OPENING:
            depth += 1
            source.at += 1
            emit(char)
        elif char in _CLOSING:
            depth -= 1
            source.at += 1
            emit(char)
        elif text := source.match(_BETWEEN if depth else _WORD):
            emit(text)
            if not depth:
                return (yield from _word(source, emit))
            continue
        else:
            return False
        if depth <= 0:
            return True
    return False


def string(source: Source, emit: Emit) -> Steps[bool]:
    """Read one string with its quotes; tell whether it was whole."""
    source.at += 1
    emit('"')
    while char := (yield from source.peek()):
        if text := source.match(_WITHIN):
            emit(text.translate(_CONTROLS))
            continue
        source.at += 1
        if char == '"':
            emit('"')
            return True
        after = yield from source.peek()
        source.at += len(after)
        emit(char + after)
    return False


def _word(source: Source, emit: Emit) -> Steps[bool]:
    """Read the rest of a number, true, false or null."""
    while (yield from source.peek()):
        if not (text := source.match(_WORD)):
            break
        emit(text)
    return True


def text_of(source: Source) -> Steps[str]:
    """Return the text of one value. Raises NotACall when it is not whole."""
    pieces: list[str] = []
    if not (yield from value(source, pieces.append)):
        raise NotACall
    return "".join(pieces)


def name_of(source: Source) -> Steps[str]:
    """Return one string. Raises NotACall when there is none."""
    if (yield from source.peek()) != '"':
        raise NotACall
    text = yield from text_of(source)
    try:
        return str(json.loads(text))
    except ValueError:
        raise NotACall from None
