"""What should stand in the locks of a fleet: one wish per source of every model that names weights."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lmctl.base.diagnostics import Place
from lmctl.manifests import sources as manifest
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.lock import NAME, VERSION, Lock, LockedModel, LockedSource
from lmctl.manifests.pins import entry_in_use, words
from lmctl.planning.sources import Recorded, weights_of
from lmctl.planning.weights_values import Source, Weights


@dataclass(frozen=True, slots=True)
class Wish:
    """A source that should be in the lock of the folder its model.yaml lies in.

    `declared` is the source as a lock has it, `source` as it is fetched from, of `weights`.
    `locked` is what the lock says of it now; None when it says nothing.
    """

    root: str
    model: str
    key: str
    declared: manifest.Source
    source: Source
    weights: Weights
    locked: LockedSource | None

    @property
    def words(self) -> str:
        """Return the source in a few words."""
        return words(self.declared)


def lock_path(root: str) -> str:
    """Return where the lock of a folder lies."""
    return posixpath.join(root, NAME)


def wishes(
    bundle: Bundle, roots: Sequence[str], *, user: str, recorded: Recorded
) -> tuple[Wish, ...]:
    """Return what should be locked, by model, in the order of its sources.

    Models that a lock of a folder further down already locks are that lock's business.
    """
    return tuple(_wishes(bundle, roots, user, recorded))


def _wishes(bundle: Bundle, roots: Sequence[str], user: str, recorded: Recorded) -> Iterator[Wish]:
    for name in sorted(bundle.models):
        entry = entry_in_use(bundle.models[name])
        weights = weights_of(name, bundle, user=user, recorded=recorded)
        if entry is None or weights is None:
            continue
        root = _root_of(bundle.place("Model", name).file, roots)
        known = bundle.locked.get((name, entry.key))
        if known is not None and known.file != lock_path(root):
            continue
        for source, pin in zip(weights.sources, bundle.pins(name), strict=True):
            yield Wish(root, name, entry.key, pin.declared, source, weights, pin.locked)


def lock_of(root: str, wished: Iterable[Wish], locked: Mapping[Wish, LockedSource]) -> Lock:
    """Return the lock of a folder with these sources in it; those that are not `locked` are left out."""
    found: dict[tuple[str, str], list[LockedSource]] = {}
    for each in wished:
        if each.root == root and each in locked:
            found.setdefault((each.model, each.key), []).append(locked[each])
    models = [
        LockedModel.model_construct(model=model, key=key, sources=tuple(sources))
        for (model, key), sources in found.items()
    ]
    return Lock.model_construct(lock_version=VERSION, models=tuple(models))


def unlocked(bundle: Bundle) -> tuple[tuple[str, Place], ...]:
    """Return the models that a fetch would have to resolve, with where their sources stand.

    One locked source is enough: a fetch uses no other then.
    """
    return tuple(
        (name, bundle.place("Model", name, "base"))
        for name in sorted(bundle.models)
        if entry_in_use(bundle.models[name]) is not None
        and not any(each.locked for each in bundle.pins(name))
    )


def _root_of(file: str, roots: Sequence[str]) -> str:
    """Return the folder, of those named, that a file lies in; of two the inner one."""
    above = [each for each in roots if file.startswith(each.rstrip("/") + "/")]
    return max(above, key=len, default=roots[0])
