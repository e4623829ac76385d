"""Weights from a plain http(s) address; the declared sha256 is what makes them trustworthy."""

from lmctl.adapters.weights.download import Downloads, FetchedFile, Wanted
from lmctl.adapters.weights.http_get import Address
from lmctl.adapters.weights.progress import Meter
from lmctl.planning.weights_values import UrlSource


async def fetch(source: UrlSource, downloads: Downloads, meter: Meter) -> tuple[FetchedFile, ...]:
    """Bring the file into the blob store. Raises as `Downloads.file` does."""
    wanted = Wanted(Address(source.url), source.name, source.sha256, sha256=source.sha256)
    meter.expect(source.name, None)
    return (FetchedFile(source.name, await downloads.into_blob(wanted, meter)),)
