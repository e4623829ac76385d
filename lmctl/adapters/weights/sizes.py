"""How many bytes a fetch would take, asked without fetching: for `lmctl diff`."""

import asyncio
from collections.abc import Iterable
from typing import Final

import httpx2

from lmctl.adapters.weights import file_source, pip
from lmctl.adapters.weights.http_get import Address, TryAgain, get
from lmctl.base.errors import LmctlError
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Source,
    UrlSource,
    Weights,
)

# A person waits for the answer; a plan without the number is better than a late one.
_WITHIN: Final = 6.0


async def download_sizes(missing: Iterable[Weights]) -> dict[str, int]:
    """Return the bytes to fetch by weights key, of those whose source says so in time."""
    asked = [each for each in missing if not each.pinned]  # a lock says it without being asked
    found = await asyncio.gather(*(_size(each) for each in asked))
    return {w.key: size for w, size in zip(asked, found, strict=True) if size is not None}


async def _size(weights: Weights) -> int | None:
    """Return what the first source that answers says; that is the one a fetch would use."""
    try:
        async with asyncio.timeout(_WITHIN):
            for source in weights.sources:
                try:
                    return await _of(source)
                except (LmctlError, TryAgain, httpx2.HTTPError, OSError):
                    continue  # it would give way to the next one in a fetch too
    except TimeoutError:
        return None
    return None


async def _of(source: Source) -> int | None:
    match source:
        case HubSource():
            from lmctl.adapters.weights import hub  # slow to import, see store

            sizes = [each.size for each in (await hub.resolve(source)).files]
            return None if None in sizes else sum(size or 0 for size in sizes)
        case PackageSource():
            return await _wheels(source)
        case FileSource():
            files = await file_source.companions(source)
            return sum([(await asyncio.to_thread(each.stat)).st_size for each in files])
        case UrlSource():
            return await content_length(Address(source.url))


async def _wheels(source: PackageSource) -> int | None:
    packages = dict.fromkeys(part.package for part in source.parts)
    places = await asyncio.gather(*(pip.locate(each, source.version) for each in packages))
    sizes = await asyncio.gather(
        *(content_length(Address(each.url, each.headers)) for each in places)
    )
    return None if None in sizes else sum(size or 0 for size in sizes)


async def content_length(address: Address) -> int | None:
    """Return the bytes an address says it has. Raises as `get` does, and httpx2.HTTPError."""
    async with (
        httpx2.AsyncClient(timeout=_WITHIN) as client,
        get(client, address, {}) as answer,
    ):
        length = answer.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None
