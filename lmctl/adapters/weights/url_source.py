"""Weights from a plain http(s) address; the declared sha256 is what makes them trustworthy."""

from lmctl.adapters.weights.download import Downloads, FetchedFile
from lmctl.adapters.weights.http_get import Address
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.wanted import Wanted
from lmctl.planning.weights_values import Pinned, UrlSource


async def fetch(
    source: UrlSource, downloads: Downloads, meter: Meter, *, pinned: Pinned | None = None
) -> tuple[FetchedFile, ...]:
    """Bring the file into the blob store. Raises as `Downloads.file` does."""
    size = pinned.files[0].size if pinned else None
    wanted = Wanted(
        Address(source.url), source.name, source.sha256, sha256=source.sha256, size=size
    )
    meter.expect(source.name, size)
    return (FetchedFile(source.name, await downloads.into_blob(wanted, meter)),)
