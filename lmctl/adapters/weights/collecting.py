"""What of the stored weights nobody needs any more, since when, and its removal.

Nothing is removed for being unused, only for having been unused for a while: what an edit took out
may be put back by the next one. When that began is noted in `HOME/blobs.json`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as with_
from enum import StrEnum
from pathlib import Path

from msgspec.structs import replace

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.adapters.weights.notes import Notes
from lmctl.adapters.weights.records import Records


class Kind(StrEnum):
    """What a piece of garbage is."""

    RECORD = "record"
    BLOB = "blob"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Roots:
    """What is needed: records by weights key, files by sha256, environments of runtimes by name."""

    keys: frozenset[str]
    sha256s: frozenset[str]
    environments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Unused:
    """One thing nobody needs: `name` is a weights key, a sha256 or a file name in `partial/`,
    `what` says it in a person's words; `size` in bytes, `since` in seconds since the epoch.
    """

    kind: Kind
    name: str
    what: str
    size: int
    since: float


class Collector:
    """Finds and removes what is unused in one home."""

    def __init__(self, home: Path, *, clock: Callable[[], float]) -> None:
        self._blobs = Blobs(home, clock=clock)
        self._records = Records(home)
        self._tree = ModelsTree(home)
        self._clock = clock

    def mark(self, roots: Roots) -> tuple[Unused, ...]:
        """Return what is unused, the longest unused first, and note it."""
        now = self._clock()
        found = [*self._stored(roots), *self._partials(roots)]
        known = self._blobs.notes.read().unused
        dated = [
            (each, known.get(each.name, now)) for each in found if each.kind is not Kind.PARTIAL
        ]
        self._blobs.notes.change(
            lambda notes: replace(notes, unused={each.name: since for each, since in dated})
        )
        stored = [with_(each, since=since) for each, since in dated]
        partials = [each for each in found if each.kind is Kind.PARTIAL]
        return tuple(
            sorted((*stored, *partials), key=lambda each: (each.since, each.kind, each.name))
        )

    async def remove(self, unused: Unused) -> bool:
        """Remove one thing; False when it is in use after all, or gone."""
        match unused.kind:
            case Kind.RECORD:
                self._records.remove(unused.name)
            case Kind.BLOB:
                self._tree.unlink(unused.name)
                self._blobs.path(unused.name).unlink(missing_ok=True)
            case Kind.PARTIAL:
                return await self._blobs.abandon(unused.name)
        self._blobs.notes.change(lambda notes: _without(notes, unused.name))
        return True

    def _stored(self, roots: Roots) -> Iterator[Unused]:
        """Yield records nobody wants, then the blobs that only these refer to, if anything does."""
        needed = set(roots.sha256s)
        names: dict[str, str] = {}
        for each in self._records.scan():
            names |= {file.sha256: f"{file.name} of {each.model}" for file in each.files}
            if each.key in roots.keys:
                needed.update(each.sha256s)
            else:
                yield Unused(Kind.RECORD, each.key, f"record of {each.model}", 0, 0.0)
        for path in self._blobs.all():
            if path.name not in needed:
                what = names.get(path.name, f"blob {path.name[:12]}")
                yield Unused(Kind.BLOB, path.name, what, _size(path), 0.0)

    def _partials(self, roots: Roots) -> Iterator[Unused]:
        """Yield downloads on their way that nothing wrote to for a while, by their last write."""
        for path in sorted(self._blobs.partials.glob("*")):
            wanted = path.stem.removeprefix("sha256-") in roots.sha256s
            if path.suffix in (".lock", ".json", ".ranges") or wanted:
                continue
            try:
                seen = path.stat()
            except FileNotFoundError:
                continue
            what = f"unfinished download {path.stem}"
            yield Unused(Kind.PARTIAL, path.name, what, seen.st_size, seen.st_mtime)


def _without(notes: Notes, name: str) -> Notes:
    """Forget everything about one blob."""

    def rest(of: dict[str, float]) -> dict[str, float]:
        return {each: when for each, when in of.items() if each != name}

    return Notes(rest(notes.verified), rest(notes.damaged), rest(notes.unused))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
