"""Problems as a person reads them: the sentence, the place, the line itself, the way out."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests.secret_words import hide

_WIDTH: Final = 120
_AROUND: Final = 2000  # characters that tell whether what is shown is part of a secret
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def render(found: Iterable[Diagnostic], texts: Mapping[str, bytes]) -> str:
    """Return the problems as text, each with the line it is about where `texts` has its file.

    Nothing of what a file holds reaches a terminal as a control sequence, and no secret does.
    """
    return "\n".join(_one(each, texts.get(each.place.file)) for each in found)


def _one(each: Diagnostic, content: bytes | None) -> str:
    place = each.place
    line = _line(content, place.line) if content is not None else ""
    margin = " " * len(str(place.line))
    words = [f"{each.severity}: {printable(each.message)}", f"{margin}--> {printable(str(place))}"]
    if line.strip():
        words += _quoted(line, place.line, place.column)
    if each.hint:
        words.append(f"hint: {printable(each.hint)}")
    return "\n".join(words) + "\n"


def _quoted(line: str, number: int, column: int) -> list[str]:
    """Return the source line with a caret below, clipped around the caret if it is long."""
    start = max(0, column - _WIDTH) if len(line) > _WIDTH else 0
    before = min(start, _AROUND)
    window = hide(line[start - before : start + _WIDTH + _AROUND])
    shown = printable(window[before : before + _WIDTH]).rstrip()
    margin = " " * len(str(number))
    caret = " " * (column - 1 - start) + "^"
    return [f"{margin} |", f"{number} | {shown}", f"{margin} | {caret}"]


def _line(content: bytes, number: int) -> str:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return lines[number - 1].decode("utf-8", "replace") if number <= len(lines) else ""


def printable(text: str) -> str:
    """Return text that is safe to print, every character still in its column."""
    return _UNPRINTABLE.sub(lambda found: " " if found.group() == "\t" else "\ufffd", text)
