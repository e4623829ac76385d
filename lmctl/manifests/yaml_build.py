"""Events of a YAML parser -> values with places, within limits; one stack, no recursion."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from ruamel.yaml import events as yaml

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests.scalars import resolve

MAX_DEPTH: Final = 64
MAX_NODES: Final = 10_000
MAX_LOCK_NODES: Final = 1_000_000
MAX_ALIASES: Final = 200

_ALLOWED_TAGS: Final = frozenset(
    {"!", *(f"tag:yaml.org,2002:{each}" for each in ("str", "map", "seq"))}
)
_TEXT_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str"})
_MERGE: Final = "<<"

Path = tuple[str | int, ...]
Built = tuple[Any, dict[Path, Place], dict[Path, Place]]


class Stop(Exception):
    """The rest of the file cannot be read; carries why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class _Open:
    """A list or mapping whose end has not been seen. `size` counts nodes, aliases expanded."""

    __slots__ = ("anchor", "key", "merges", "merging", "path", "place", "size", "value")

    def __init__(self, value: Any, path: Path, place: Place, anchor: str | None) -> None:
        self.value = value
        self.path = path
        self.place = place
        self.anchor = anchor
        self.size = 1
        self.key: str | None = None
        self.merging = False
        self.merges: list[tuple[Any, Place]] = []


@dataclass(slots=True)
class Builder:
    """Builds the documents of one file; problems that leave the rest readable are collected."""

    file: str
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)
    _anchors: dict[str, tuple[Any, int] | None] = field(default_factory=dict)
    _places: dict[Path, Place] = field(default_factory=dict)
    _keys: dict[Path, Place] = field(default_factory=dict)
    _top: Any = None
    _nodes: int = 0
    _aliases: int = 0

    def documents(self, found: Iterable[yaml.Event]) -> Iterator[Built]:
        """Yield (value, places of values, places of keys) per document.

        Raises Stop at a limit or at something that leaves the rest without meaning.
        """
        for event in found:
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.CollectionStartEvent():
                    self._start(event)
                case yaml.CollectionEndEvent():
                    self._end()
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent():
                    self._new_document(event)
                case yaml.DocumentEndEvent():
                    yield self._top, self._places, self._keys

    def _new_document(self, event: yaml.DocumentStartEvent) -> None:
        if event.version == (1, 1):
            # The mark is that of the `---`, and the directive stands above it.
            above = Place(self.file, max(1, self._at(event).line - 1), 1)
            self._stop(
                above,
                "`%YAML 1.1` is not supported",
                "remove the line; manifests are YAML 1.2, where only true and false are booleans",
            )
        self._anchors, self._places, self._keys, self._top = {}, {}, {}, None

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        place = self._at(event)
        if len(self._open) >= MAX_DEPTH:
            self._stop(place, f"nested deeper than {MAX_DEPTH} levels", "flatten the manifest")
        self._refuse_tag(event, place)
        if self._wants_key():
            self._stop(place, "a list or mapping cannot be a key", "expected text before the `:`")
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        opened = _Open(value, self._next_path(), place, event.anchor)
        if event.anchor:
            self._anchors[event.anchor] = None  # known, not complete: an alias here is recursive
        self._count(place, 1)
        self._open.append(opened)

    def _end(self) -> None:
        done = self._open.pop()
        self._merge(done)
        if done.anchor:
            self._anchors[done.anchor] = (done.value, done.size)
        self._put(done.value, done.place, done.size)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._at(event) if event.value else self._at_nothing(event)
        self._refuse_tag(event, place)
        text = event.tag in _TEXT_TAGS or not event.implicit[0]
        if self._wants_key():
            self._key(event.value, place, text=text)
            return
        value: Any = event.value
        if not text:
            try:
                value = resolve(event.value)
            except ValueError as error:
                self._report(
                    place, f"`{_shown(event.value)}`: {error}", "quote it if text is meant"
                )
        self._count(place, 1)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, place, 1)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place, name = self._at(event), event.anchor
        if self._wants_key():
            self._stop(place, f"alias `*{name}` cannot be a key", "write the key out")
        if name not in self._anchors:
            known = ", ".join(f"&{each}" for each in self._anchors) or "none"
            self._stop(place, f"unknown alias `*{name}`", f"anchors of this document: {known}")
        anchored = self._anchors[name]
        if anchored is None:
            self._stop(place, f"alias `*{name}` contains itself", "write the value out")
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._stop(place, f"more than {MAX_ALIASES} aliases", "write the values out")
        value, size = anchored
        self._count(place, size)
        self._put(value, place, size)

    def _key(self, word: str, place: Place, *, text: bool) -> None:
        opened = self._open[-1]
        if not text and (kind := _not_text(word)):
            self._report(
                place,
                f"the key `{_shown(word)}` is {kind}, expected text",
                f'quote it: "{_shown(word)}"',
            )
        path = (*opened.path, word)
        merging = word == _MERGE and not text  # in quotes it is a name like any other
        if word in opened.value or (merging and opened.merges):
            first = self._keys.get(path, opened.place)
            self._report(
                place,
                f"duplicate key `{_shown(word)}`",
                f"first given at line {first.line}, column {first.column}; keep one of the two",
            )
        else:
            self._keys[path] = place
        opened.key, opened.merging = word, merging

    def _put(self, value: Any, place: Place, size: int) -> None:
        if not self._open:
            self._top = value
            self._places[()] = place
            return
        parent = self._open[-1]
        parent.size += size
        self._places[self._next_path()] = place
        if isinstance(parent.value, list):
            parent.value.append(value)
            return
        key, parent.key = parent.key, None
        if parent.merging:
            parent.merges.append((value, place))
        else:
            parent.value.setdefault(key, value)

    def _merge(self, done: _Open) -> None:
        """Fill in what `<<` brings; keys given in place win, earlier sources before later ones."""
        for merged, place in done.merges:
            sources = merged if isinstance(merged, list) else [merged]
            if not all(isinstance(each, dict) for each in sources):
                self._report(
                    place, "`<<` expected a mapping", "merge an alias of a mapping: <<: *name"
                )
                continue
            for source in sources:
                for key, value in source.items():
                    if key not in done.value:
                        done.value[key] = value
                        self._places[(*done.path, key)] = place
                        self._keys[(*done.path, key)] = place

    def _next_path(self) -> Path:
        if not self._open:
            return ()
        parent = self._open[-1]
        if isinstance(parent.value, list):
            return (*parent.path, len(parent.value))
        return (*parent.path, str(parent.key))

    def _wants_key(self) -> bool:
        return (
            bool(self._open)
            and isinstance(self._open[-1].value, dict)
            and self._open[-1].key is None
        )

    def _count(self, place: Place, size: int) -> None:
        self._nodes += size
        most = MAX_LOCK_NODES if self.file.endswith(".lock") else MAX_NODES
        if self._nodes > most:
            self._stop(
                place,
                f"more than {most:,} values, aliases counted as often as they are used",
                "split the file, or use fewer aliases",
            )

    def _refuse_tag(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Place
    ) -> None:
        tag = event.tag
        if tag is None or tag in _ALLOWED_TAGS:
            return
        short = tag.replace("tag:yaml.org,2002:", "!!")
        self._stop(place, f"tag `{short}` is not allowed", "write the plain value without a tag")

    def _at_nothing(self, event: yaml.ScalarEvent) -> Place:
        """Return the place of an empty value: right behind its key's colon.

        The parser puts one that is left out where the next token is, lines further down.
        """
        key = self._keys.get(self._next_path()) if not self._wants_key() else None
        if key is None or event.start_mark.index != event.end_mark.index:
            return self._at(event)
        return Place(self.file, key.line, key.column + len(str(self._open[-1].key)) + 1)

    def _at(self, event: Any) -> Place:
        mark = event.start_mark  # always there: only events made by hand have none
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _report(self, place: Place, message: str, hint: str) -> None:
        self.diagnostics.append(diagnostics.error(place, message, hint))

    def _stop(self, place: Place, message: str, hint: str) -> NoReturn:
        raise Stop(diagnostics.error(place, message, hint))


def _not_text(word: str) -> str | None:
    """Return what a plain key is when it is not text."""
    if word == _MERGE:
        return None
    try:
        value = resolve(word)
    except ValueError:
        return "a number"
    match value:
        case str():
            return None
        case None:
            return "null"
        case bool():
            return "a boolean"
    return "a number"


def _shown(word: str) -> str:
    """Return a word short enough for a message."""
    return word if len(word) <= 40 else word[:37] + "…"
