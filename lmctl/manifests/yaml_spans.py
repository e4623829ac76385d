"""Text of a manifest -> where every key and value begins and ends, to the character.

Only for text that `yaml_source` read without an error: so it is neither too deep nor too large.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml import events as yaml

BLOCK_SCALARS: Final = frozenset({"|", ">"})
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}"
)


@dataclass(slots=True)
class Span:
    """A value: `text[start:end]`, without comments or blank lines behind it.

    `kind` is `mapping`, `sequence`, `scalar` or `alias`. `entries` are those of a collection;
    `inside` is where a flow collection's bracket closes. `line` and `column` count from 1.
    """

    kind: str
    start: int
    end: int
    line: int
    column: int
    flow: bool = False
    style: str = ""
    anchor: str = ""
    inside: int = 0
    entries: "list[Entry]" = field(default_factory=list)

    def entry(self, key: str | int) -> "Entry | None":
        """Return the entry of a mapping by its key, of a sequence by its index."""
        if isinstance(key, int):
            return self.entries[key] if 0 <= key < len(self.entries) else None
        return next((each for each in self.entries if each.key == key), None)


@dataclass(slots=True)
class Entry:
    """One entry: it begins at its key (or at its dash, or its value in flow), and its value is
    expected from `after` on, right behind the colon or dash.
    """

    key: str
    start: int
    after: int
    value: Span

    @property
    def end(self) -> int:
        return max(self.after, self.value.end)


@dataclass(slots=True)
class _Open:
    span: Span
    key: tuple[str, int, int] | None = None


def spans(text: str, *, json: bool = False) -> list[Span]:
    """Return the top value of every document; empty documents count as an empty scalar."""
    return list(_documents(text, parsable(text) if json else text))


def parsable(text: str) -> str:
    """Return JSON the parser takes, every character in its place: what is at none does not matter."""
    start = len(text) - len(text.lstrip())
    return text[:start].replace("\t", " ") + _SURROGATES.sub(r"\1\\ufffd\\ufffd", text[start:])


def _documents(text: str, seen: str) -> Iterator[Span]:
    """Walk the parser's events; `seen` is the text as the parser gets it, as long as the other."""
    opened: list[_Open] = []
    for event in YAML(typ="safe", pure=True).parse(seen):
        match event:
            case yaml.ScalarEvent() if _wants_key(opened):
                start = event.start_mark.index
                opened[-1].key = (event.value, start, _colon(text, event.end_mark.index))
                continue
            case yaml.MappingStartEvent():
                opened.append(_Open(_span(event, "mapping")))
                continue
            case yaml.SequenceStartEvent():
                opened.append(_Open(_span(event, "sequence")))
                continue
            case yaml.CollectionEndEvent():
                done = opened.pop().span
                _close(done, event)
            case yaml.ScalarEvent():
                done = _scalar(text, event)
            case yaml.AliasEvent():
                done = _span(event, "alias")
            case _:
                continue
        if opened:
            _put(text, opened[-1], done)
        else:
            yield done


def _wants_key(opened: list[_Open]) -> bool:
    return bool(opened) and opened[-1].span.kind == "mapping" and opened[-1].key is None


def _span(event: Any, kind: str) -> Span:
    start, end = event.start_mark, event.end_mark
    anchor = getattr(event, "anchor", None) or ""
    flow = bool(getattr(event, "flow_style", False))
    return Span(kind, start.index, end.index, start.line + 1, start.column + 1, flow, "", anchor)


def _scalar(text: str, event: Any) -> Span:
    span = _span(event, "scalar")
    span.style = event.style or ""
    if span.style in BLOCK_SCALARS:  # its mark is past the line breaks behind it
        span.end = span.start + len(text[span.start : span.end].rstrip("\r\n "))
    return span


def _close(span: Span, event: Any) -> None:
    if span.flow:
        span.inside = event.start_mark.index
        span.end = event.end_mark.index
    elif span.entries:
        span.end = span.entries[-1].end


def _put(text: str, parent: _Open, value: Span) -> None:
    if parent.span.kind == "mapping":
        key, start, after = parent.key or ("", value.start, value.start)
        parent.key = None
    else:
        key, start = "", value.start
        after = start
        if not parent.span.flow:
            start = _dash(text, parent.span, value)
            after = start + 1
    if value.kind == "scalar" and value.start == value.end:
        value.start = value.end = after  # the parser puts what is left out at the next token
    parent.span.entries.append(Entry(key, start, after, value))


def _colon(text: str, index: int) -> int:
    """Return the place right behind the colon that follows a key."""
    while index < len(text) and text[index] in " \t\r\n":
        index += 1
    return index + 1 if text[index : index + 1] == ":" else index


def _dash(text: str, sequence: Span, value: Span) -> int:
    """Return where the dash of an item stands: the first one behind the item before it."""
    index = sequence.entries[-1].end if sequence.entries else sequence.start
    while index < value.start and text[index] != "-":
        if text[index] == "#":
            index = text.find("\n", index)
        index += 1
    return index
