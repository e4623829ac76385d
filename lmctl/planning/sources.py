"""A manifest's sources as the planner's values; `base[]` entries as the weights they stand for."""

from pathlib import PurePosixPath

from lmctl.manifests import sources as declared
from lmctl.manifests.model import BaseEntry
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Part,
    Source,
    UrlSource,
)


def sources_of(entry: BaseEntry, *, user: str) -> tuple[Source, ...]:
    """Return where an entry's weights may come from, in order of preference.

    `user` is the home folder that `~/` stands for.
    """
    return tuple(_source(each, entry, user) for each in entry.sources)


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
