"""The parser's complaints, in words a person can act on."""

import re
from typing import Final

from ruamel.yaml.error import StringMark, YAMLError

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place

_LEADING_TAB = re.compile(r"[ ]*\t")
_TOP: Final = StringMark("", 0, 0, 0, "", 0)
_UNCLOSED: Final = re.compile(r"quoted scalar(?s:.)*unexpected (?:end|document)")
_TAB_HINT: Final = "indent with spaces; YAML does not allow tabs there"
# (pattern of libyaml's context and problem, our message, our hint)
_KNOWN: Final = (
    (
        _UNCLOSED,
        "a quoted text is never closed",
        "add the missing quote; a quote inside is written \\\" in double and '' in single quotes",
    ),
    (
        "flow sequence",
        "a list opened with `[` is not closed or lacks a comma",
        "separate items with `,` and end with `]`",
    ),
    (
        "flow mapping",
        "a mapping opened with `{` is not closed or lacks a comma",
        "separate entries with `,` and end with `}`",
    ),
    (
        "flow node",
        "a value is missing here, or a `[` or `{` above is not closed",
        "end a list with `]` and a mapping with `}`",
    ),
    (
        "mapping values are not allowed",
        "unexpected `:` here",
        "quote a text that contains `: `; otherwise check the indentation of this line",
    ),
    (
        "cannot start any token",
        "unexpected `CHARACTER` at the start of a value",
        "quote the text: `@`, backtick, `%`, `|` and similar have a meaning of their own in YAML",
    ),
    (
        "could not find expected ':'",
        "a line without `:` among keys",
        "write `key: value`, or indent the line if it continues the one above",
    ),
    (
        "escape",
        "unknown escape after `\\` in a double-quoted text",
        "write `\\\\` for a backslash, or use single quotes",
    ),
    (
        "block (?:mapping|collection).*expected <block end>",
        "this line is not at the level of the keys above",
        "indent the keys of one mapping by the same number of spaces",
    ),
    (
        "expected '-' indicator",
        "this line is not at the level of the items above",
        "indent the items of one list by the same number of spaces, each starting with `- `",
    ),
    (
        "expected <document start>",
        "unexpected text after the end of the document",
        "start another document with a line of `---`",
    ),
    (
        "incompatible YAML document",
        "unknown YAML version",
        "remove the `%YAML` line; manifests are YAML 1.2",
    ),
    ("undefined tag handle", "unknown tag", "write the plain value without a tag"),
)


def explain(file: str, text: str, error: YAMLError) -> Diagnostic:
    """Return a parser error as a problem with a place in the file."""
    lines = text.split("\n")
    line, column = _position(error, lines)
    source = lines[line] if line < len(lines) else ""
    place = Place(file, line + 1, column + 1)
    context = getattr(error, "context", None) or ""
    problem = getattr(error, "problem", None) or str(error)
    if _LEADING_TAB.match(source) and "scalar" not in problem:
        return diagnostics.error(place, "a tab is used as indentation", _TAB_HINT)
    language = "not JSON" if file.endswith(".json") else "not YAML"
    for pattern, message, hint in _KNOWN:
        if re.search(pattern, f"{context} {problem}"):
            words = message.replace("CHARACTER", source[column : column + 1])
            return diagnostics.error(place, f"{language}: {words}", hint)
    return diagnostics.error(place, f"{language}: {problem}", "check the line and the one above")


def _position(error: YAMLError, lines: list[str]) -> tuple[int, int]:
    """Return line and column, from 0, of where the mistake is.

    What is never closed is noticed at the end of the file: where it began is the place then, or
    else the end of the last line that says anything.
    """
    noticed = getattr(error, "problem_mark", None) or _TOP
    said = [number for number, line in enumerate(lines) if line.strip()]
    began = getattr(error, "context_mark", None) or noticed
    past_the_end = noticed.line > said[-1]
    if past_the_end or _UNCLOSED.search(f"{getattr(error, 'context', '')} {error}"):
        if began.line <= said[-1]:
            return began.line, began.column
        return said[-1], len(lines[said[-1]].rstrip())
    return noticed.line, noticed.column
