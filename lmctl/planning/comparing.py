"""Two readings of manifests side by side: objects that came, went or changed, field by field."""

from collections.abc import Iterator

import msgspec

from lmctl.manifests.bundle import Bundle
from lmctl.manifests.leaves import Leaf, leaves
from lmctl.manifests.reading import Declared
from lmctl.planning.fields import change_class, leaf_text
from lmctl.planning.step_view import ChangeView


class ObjectDiff(msgspec.Struct, frozen=True, rename="camel"):
    """One object that is not the same: `op` is add, remove or change; `place` is where it stands
    now, or stood. Of an object that came or went no field is told.
    """

    key: str
    op: str
    place: str
    changes: tuple[ChangeView, ...] = ()


class ManifestDiff(msgspec.Struct, frozen=True, rename="camel"):
    """What two readings do not have in common; `old` and `new` are their names."""

    old: str
    new: str
    same: bool
    objects: tuple[ObjectDiff, ...]


def compare(old: Bundle, new: Bundle, *, names: tuple[str, str]) -> ManifestDiff:
    """Return what differs, by kind and name."""
    objects = tuple(_objects(old, new))
    return ManifestDiff(*names, not objects, objects)


def written(bundle: Bundle, key: str) -> dict[str, str]:
    """Return what the files say of an object, by path; empty when they do not declare it."""
    kind, _, name = key.partition("/")
    for (of, called), declared in bundle.origins.items():
        if of.lower() == kind and called == (name or called):
            values = leaves(of, declared.value, declared)
            return {each.path: leaf_text(of, each) for each in values if each.given}
    return {}


def _objects(old: Bundle, new: Bundle) -> Iterator[ObjectDiff]:
    for kind, name in sorted(old.origins.keys() | new.origins.keys()):
        was, now = old.origins.get((kind, name)), new.origins.get((kind, name))
        key = "server" if kind == "Server" else f"{kind.lower()}/{name}"
        if was is not None and now is not None:
            if changes := tuple(_changes(key, was, now)):
                yield ObjectDiff(key, "change", now.place().at, changes)
        elif found := was or now:
            yield ObjectDiff(key, "add" if now else "remove", found.place().at)


def _changes(key: str, was: Declared, now: Declared) -> Iterator[ChangeView]:
    before, after = _by_path(was), _by_path(now)
    for path in dict.fromkeys((*after, *before)):
        old, new = before.get(path), after.get(path)
        if old is None or new is None or old.value != new.value:
            texts = [leaf_text(now.kind, e) if e else "" for e in (old, new)]
            change = change_class(now.kind, path).value
            place = new.place if new and new.given else ""
            yield ChangeView(path, texts[0], texts[1], change, place, key)


def _by_path(declared: Declared) -> dict[str, Leaf]:
    return {each.path: each for each in leaves(declared.kind, declared.value, declared)}
