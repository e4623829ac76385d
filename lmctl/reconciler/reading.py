"""From folders to a desired state, keeping the last good one when the newest is broken."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.manifest_dir import scan
from lmctl.base.diagnostics import Diagnostic, Place, error
from lmctl.base.errors import LmctlError
from lmctl.manifests import bundle as bundles
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.lock import is_lock
from lmctl.planning.desired import DesiredState
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.turn import Reading


@dataclass(frozen=True, slots=True)
class ReadResult:
    """One reading: the bundle, what it resolves to, every problem, and the files' texts."""

    bundle: Bundle
    desired: DesiredState
    problems: tuple[Diagnostic, ...]
    files: Mapping[str, bytes]

    @property
    def fatal(self) -> bool:
        return any(each.fatal for each in self.problems)


def read_folders(roots: Sequence[Path], host: HostFacts) -> ReadResult:
    """Read, check and resolve everything under the roots; problems are collected, not raised."""
    trouble: tuple[Diagnostic, ...] = ()
    files: Mapping[str, bytes] = {}
    try:
        found = scan(roots)
        files, trouble = found.files, tuple(found.diagnostics)
    except LmctlError as problem:
        trouble = (error(Place(str(roots[0])), str(problem), problem.hint),)
    if all(map(is_lock, files)) and not trouble:
        hint = "nothing is unloaded for an empty folder; `lmctl daemon down` stops everything"
        trouble = (error(Place(str(roots[0])), "no manifests in this folder", hint),)
    return _interpret(files, trouble, host)


def _interpret(
    files: Mapping[str, bytes], trouble: tuple[Diagnostic, ...], host: HostFacts
) -> ReadResult:
    reading = bundles.read(files)
    problems = (*trouble, *reading.diagnostics)
    if any(each.fatal for each in problems):
        return ReadResult(reading.bundle, DesiredState(0), problems, files)
    resolution = resolve(reading.bundle, host)
    return ReadResult(
        reading.bundle, resolution.desired, (*problems, *resolution.diagnostics), files
    )


class LastGood:
    """The files of the last bundle without a fatal problem, kept for the next daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, files: Mapping[str, bytes]) -> None:
        write_atomically(self._path, msgspec.msgpack.encode(dict(files)))

    def read(self, host: HostFacts) -> ReadResult | None:
        """Return what those files say today, or None when there are none."""
        content = read_if_there(self._path)
        if content is None:
            return None
        result = _interpret(msgspec.msgpack.decode(content, type=dict[str, bytes]), (), host)
        return None if result.fatal else result


class FolderReader:
    """Reads the followed folders once per turn.

    `number` gives a digest its generation. With nothing to follow there is nothing desired.
    """

    def __init__(
        self,
        *,
        roots: Callable[[], Sequence[str]],
        host: Callable[[], HostFacts],
        number: Callable[[str, Sequence[str]], int],
        last_good: LastGood,
    ) -> None:
        self._roots = roots
        self._host = host
        self._number = number
        self._last_good = last_good
        self._good: ReadResult | None = None
        self._generation = 0

    async def read(self) -> Reading:
        """Return what is desired now; None where nothing good was ever read."""
        roots = self._roots()
        if not roots:
            return Reading(None)
        problems = await asyncio.to_thread(self._read, [Path(each) for each in roots])
        if self._good is None:
            return Reading(None, problems)
        number = self._number(self._good.bundle.digest, roots)
        return Reading(with_generation(self._good.desired, number), problems)

    def _read(self, roots: Sequence[Path]) -> tuple[Diagnostic, ...]:
        host = self._host()
        newest = read_folders(roots, host)
        if newest.fatal:
            self._good = self._good or self._last_good.read(host)
            return newest.problems
        if self._good is None or self._good.bundle.digest != newest.bundle.digest:
            self._last_good.keep(newest.files)
        self._good = newest
        return newest.problems


def with_generation(desired: DesiredState, number: int) -> DesiredState:
    """Return the same desired state as that generation."""
    surface = desired.surface
    if surface is not None:
        surface = msgspec.structs.replace(surface, generation=number)
    return replace(desired, generation=number, surface=surface)
