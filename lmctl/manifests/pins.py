"""What the locks of a bundle say about its models: which source is pinned to what, and what lags."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lmctl.base import diagnostics
from lmctl.base.addresses import bare_url
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests.lock import Lock, LockedModel, LockedSource, as_recorded
from lmctl.manifests.model import BaseEntry, Model
from lmctl.manifests.reading import Declared
from lmctl.manifests.sources import (
    FileSource,
    HuggingFaceSource,
    PypiSource,
    Source,
    UrlSource,
)

_UP_TO_DATE: Final = "`lmctl lock` brings it up to date"

Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Locked:
    """What a lock says of one model."""

    entry: LockedModel
    file: str
    content: bytes = field(repr=False, compare=False)

    @property
    def place(self) -> Place:
        """Return its line in the lock, or the first one of a lock somebody wrote differently."""
        at = self.content.find(b'"model": ' + json.dumps(self.entry.model).encode())
        return Place(self.file, self.content.count(b"\n", 0, at) + 1 if at >= 0 else 1)


@dataclass(frozen=True, slots=True)
class Pin:
    """One source of a model, as a lock would record it, and what it is pinned to, if it is."""

    declared: Source
    locked: LockedSource | None


def index(
    locks: Mapping[str, Lock], contents: Mapping[str, bytes]
) -> tuple[dict[Identity, Locked], list[Diagnostic]]:
    """Return what all locks together say, by model and entry, and an error for each said twice."""
    found: dict[Identity, Locked] = {}
    repeated = []
    for file, lock in locks.items():
        for entry in lock.models:
            pinned = Locked(entry, file, contents[file])
            first = found.setdefault(entry.identity, pinned)
            if first is not pinned:
                message = f"model `{entry.model}` is locked twice, first at {first.place}"
                hint = "one lock for one folder of manifests: delete the other"
                repeated.append(diagnostics.error(pinned.place, message, hint))
    return found, repeated


def entry_in_use(model: Model) -> BaseEntry | None:
    """Return the weights a model is loaded from; None when it names another model."""
    return None if isinstance(model.base, str) else model.base[0]


def pins_of(declared: Declared, locked: Mapping[Identity, Locked]) -> tuple[Pin, ...]:
    """Return a pin per source of a model that names weights, in its order."""
    entry = entry_in_use(declared.value) if isinstance(declared.value, Model) else None
    if entry is None:
        return ()
    written = declared.document.value["base"][0]["sources"]
    known = locked.get((declared.name, entry.key))
    sources = known.entry.sources if known else ()
    recorded = (as_recorded(*each) for each in zip(entry.sources, written, strict=True))
    return tuple(
        Pin(each, next((found for found in sources if found.source == each), None))
        for each in recorded
    )


def lag(
    models: Iterable[Declared], locked: Mapping[Identity, Locked], refused: Iterable[str] = ()
) -> Iterator[Diagnostic]:
    """Yield a warning for everything that a lock does not say, or says of nothing any more.

    `refused` are models declared wrongly: what is locked for them is still theirs.
    """
    wanted: set[Identity] = set()
    for each in models:
        entry = entry_in_use(each.value) if isinstance(each.value, Model) else None
        if entry is not None:
            wanted.add((each.name, entry.key))
            yield from _lag_of(each, locked.get((each.name, entry.key)), pins_of(each, locked))
    for (name, key), pinned in locked.items():
        if (name, key) not in wanted and name not in refused:
            message = f"lock lags: model `{name}` (`{key}`) is locked and no longer declared"
            yield diagnostics.warning(pinned.place, message, _UP_TO_DATE)


def words(source: Source) -> str:
    """Return a source in a few words: `huggingface acme/tiny`."""
    match source:
        case HuggingFaceSource():
            return f"huggingface {source.user}/{source.repo}"
        case PypiSource():
            package = source.package or source.parts[0].package
            return f"pypi {package}=={source.version}"
        case FileSource():
            return f"file {source.path}"
        case UrlSource():
            return f"url {bare_url(source.url)}"


def _lag_of(
    declared: Declared, known: Locked | None, pins: tuple[Pin, ...]
) -> Iterator[Diagnostic]:
    if known is None:
        message = f"lock lags: model `{declared.name}` is not locked"
        yield diagnostics.warning(declared.place(("base",)), message, _UP_TO_DATE)
        return
    used = [each.locked for each in pins]
    left = {each.source.type for each in known.entry.sources if each not in used}
    for number, pin in enumerate(pins):
        if pin.locked is None:
            how = "changed since it was locked" if pin.declared.type in left else "is not locked"
            message = f"lock lags: a source of model `{declared.name}` {how}: {words(pin.declared)}"
            place = declared.place(("base", 0, "sources", number))
            yield diagnostics.warning(place, message, _UP_TO_DATE)
