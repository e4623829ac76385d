"""Text of one file -> documents whose every value knows its line and column.

One pass over the events of ruamel.yaml's C parser builds the values and keeps the limits. Events are
flat, so nothing here recurses: a file of 200 kB of `[` ends at depth 64, where its C *composer*
ends the process with a segmentation fault. Aliases are shared, not
copied, but count with all that is below them, so a file that would explode later is refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import Event

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests.decoding import decode
from lmctl.manifests.yaml_build import Builder, Path, Stop
from lmctl.manifests.yaml_trouble import explain

_NOTHING_BUT_COMMENTS = re.compile(r"(?:\s|#[^\n]*)*")
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][\da-fA-F]{2})\\u([dD][c-fC-F][\da-fA-F]{2})"
)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value, and where each part of it stands.

    `places` has the place of every value by its path from the top; `keys` the place of every
    key by the same path. What came in by an alias is found at the alias.
    """

    value: Any
    places: Mapping[Path, Place]
    keys: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Return the place of a value, or of its nearest parent that stands in the file."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]

    def key_place(self, path: Path) -> Place:
        """Return the place of a key, or of the nearest parent's value."""
        return self.keys.get(path) or self.place(path)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Every document of a file that could be read, and every problem found on the way."""

    documents: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def parse(file: str, content: bytes) -> Parsed:
    """Return what a YAML or JSON file says. Never raises for anything a file can hold."""
    text = decode(file, content)
    if isinstance(text, Diagnostic):
        return Parsed(diagnostics=(text,))
    if not text.strip():
        return Parsed(diagnostics=(_empty(file),))
    if file.endswith((".json", ".lock")):
        text = _json(text)
    elif _NOTHING_BUT_COMMENTS.fullmatch(text):
        return Parsed(diagnostics=(_only_comments(file),))
    builder = Builder(file)
    documents: list[Document] = []
    trouble: list[Diagnostic] = []
    try:
        documents.extend(Document(*each) for each in builder.documents(_events(text)))
    except Stop as stop:
        trouble.append(stop.diagnostic)
    except YAMLError as error:
        trouble.append(explain(file, text, error))
    found = tuple(builder.diagnostics + trouble)
    return Parsed(tuple(each for each in documents if each.value is not None), found)


def _events(text: str) -> Iterator[Event]:
    events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
    return events


def _json(text: str) -> str:
    """Make JSON readable as YAML: no leading tabs, and characters past U+FFFF in one escape."""
    start = len(text) - len(text.lstrip())
    text = text[:start].replace("\t", " ") + text[start:]
    return _SURROGATES.sub(_join_surrogates, text)


def _join_surrogates(found: re.Match[str]) -> str:
    high, low = int(found[2], 16), int(found[3], 16)
    return f"{found[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _empty(file: str) -> Diagnostic:
    return diagnostics.error(
        Place(file),
        "the file is empty",
        "write a manifest into it or delete it; an empty file is never taken for a deleted one",
    )


def _only_comments(file: str) -> Diagnostic:
    return diagnostics.warning(
        Place(file),
        "the file holds only comments and declares nothing",
        "delete it if that is meant",
    )
