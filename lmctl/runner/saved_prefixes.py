"""What sequences have read, kept on the disk from one runner to the next.

A file per sequence, named by the sha256 of its content: one that was damaged, or never finished, is
not used. All lie in a folder named by what they depend on; what is kept of all models together is
bounded, the longest unused goes first. They hold what was read as tokens, so the folder is the user's alone.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from lmctl.base.digests import digest
from lmctl.base.spec import RunnerSpec
from lmctl.runner.port import Saving
from lmctl.runner.prefix_cache import common_prefix

MOST: Final = 1024**3
"""Bytes of all files together, of all models."""
LEAST_SAVED: Final = 256
"""Tokens that are worth a file: fewer are read again in no time."""
_ALIKE: Final = 0.75  # share of a sequence that another file has already: it gets none of its own
_SUFFIX: Final = ".kv"

log = structlog.get_logger("lmctl.runner")


def key_of(spec: RunnerSpec, weights: Sequence[str], version: str) -> str:
    """Return a name for what a state depends on, beside the tokens: weights, engine, kinds of cache."""
    load = spec.load
    cache = (load.kv_key_type, load.kv_value_type, load.flash_attention, load.unified_kv)
    model = (load.experts, load.rope_frequency_base, load.rope_frequency_scale)
    return digest((spec.engine, version, tuple(weights), cache, model))


class SavedPrefixes:
    """The files of one model with one kind of cache. Used by the engine's thread."""

    def __init__(self, folder: Path, key: str, engine: Saving, *, most: int = MOST) -> None:
        self._engine = engine
        self._all = folder
        self._folder = folder / key[:32]
        self._most = most

    def restored(self, slots: int) -> dict[int, list[int]]:
        """Let the engine have read what was saved, the latest first, in sequences 0, 1, …; return their
        tokens. A file that is not what it was is removed.
        """
        found: dict[int, list[int]] = {}
        for path in _latest_first(self._files()):
            if len(found) == slots:
                break
            sequence = len(found)
            if tokens := self._restored(sequence, path):
                found[sequence] = tokens
            else:
                log.warning("a saved prefix cannot be used and is removed", file=path.name)
                path.unlink(missing_ok=True)
        log.info("prefixes restored", sequences=len(found))
        return dict(reversed(found.items()))  # the longest unused first

    def _restored(self, sequence: int, path: Path) -> list[int]:
        try:
            whole = _sha256(path) == path.stem
        except OSError:
            return []  # another runner of the same model has replaced it
        return self._engine.restore(sequence, path) if whole else []

    def save(self, resting: Mapping[int, Sequence[int]]) -> None:
        """Write what sequences at rest have read, the longest unused first, in place of what there was.

        Raises OSError.
        """
        for folder in (self._all, self._folder):
            folder.mkdir(exist_ok=True, mode=0o700)
        before, kept = set(self._files()), list[Path]()
        texts: list[Sequence[int]] = []
        for sequence, tokens in reversed(list(resting.items())):
            if _worth_it(tokens, texts):
                texts.append(tokens)
                kept.append(self._saved(sequence, tokens))
        now = time.time()
        for number, path in enumerate(kept):
            os.utime(path, (now - number / 1000,) * 2)
        for path in before.difference(kept):
            path.unlink(missing_ok=True)
        self._shrink()
        log.info("prefixes saved", sequences=len(kept))

    def _saved(self, sequence: int, tokens: Sequence[int]) -> Path:
        staged = self._folder / f"{os.getpid()}-{sequence}.part"
        try:
            self._engine.save(sequence, tokens, staged)
            return staged.replace(self._folder / f"{_sha256(staged)}{_SUFFIX}")
        finally:
            staged.unlink(missing_ok=True)

    def _shrink(self) -> None:
        """Remove the longest unused until all together are as small as they have to be."""
        room = self._most
        for path in _latest_first(self._all.glob(f"*/*{_SUFFIX}")):
            room -= path.stat().st_size if path.exists() else 0
            if room < 0:
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        return self._folder.glob(f"*{_SUFFIX}")


def _worth_it(tokens: Sequence[int], saved: Sequence[Sequence[int]]) -> bool:
    """Say whether a sequence is long, no picture is in it, and no other one has most of it."""
    if len(tokens) < LEAST_SAVED or min(tokens) < 0:
        return False
    most = _ALIKE * len(tokens)
    return all(common_prefix(tokens, each, min(len(tokens), len(each))) < most for each in saved)


def _latest_first(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are there; another runner may remove some meanwhile."""
    ages: dict[Path, float] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            ages[path] = path.stat().st_mtime
    return sorted(ages, key=ages.__getitem__, reverse=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
