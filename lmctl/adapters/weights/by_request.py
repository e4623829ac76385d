"""What people asked to download: jobs on their way, and the models that came of them.

HOME/downloads.json     jobs, so that a daemon that starts goes on with them
HOME/downloaded.json    models that are here because somebody asked for them
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.planning.downloads import Download, HubModel

_KEPT: Final = 50  # jobs that are over, the newest
_T = TypeVar("_T")


class DownloadJobs:
    """The jobs of one home, in the order they were asked for. A damaged file holds none."""

    def __init__(self, root: Path) -> None:
        self._path = root / "downloads.json"

    def read(self) -> tuple[Download, ...]:
        return _read(self._path, tuple[Download, ...])

    def keep(self, job: Download) -> None:
        """Remember a job as it is now."""
        before = self.read()
        known = any(each.id == job.id for each in before)
        after = [job if each.id == job.id else each for each in before] + [job] * (not known)
        over = [each.id for each in after if each.over][:-_KEPT]
        _write(self._path, [each for each in after if each.id not in over])

    def forget(self, job: str) -> None:
        """Remember it no more."""
        _write(self._path, [each for each in self.read() if each.id != job])


class Downloaded:
    """The models of one home that came by request, by key. A damaged file holds none."""

    def __init__(self, root: Path) -> None:
        self._path = root / "downloaded.json"

    def read(self) -> tuple[HubModel, ...]:
        return _read(self._path, tuple[HubModel, ...])

    def keep(self, model: HubModel) -> None:
        """Remember a model; an earlier one of its key is forgotten."""
        self._change(lambda kept: [*(each for each in kept if each.model != model.model), model])

    def forget(self, model: str) -> None:
        """Remember a model no more."""
        self._change(lambda kept: [each for each in kept if each.model != model])

    def _change(self, change: Callable[[tuple[HubModel, ...]], list[HubModel]]) -> None:
        _write(self._path, sorted(change(self.read()), key=lambda each: each.model))


def _read(path: Path, kind: type[tuple[_T, ...]]) -> tuple[_T, ...]:
    content = read_if_there(path)
    try:
        return msgspec.json.decode(content, type=kind) if content else ()
    except msgspec.DecodeError:
        return ()


def _write(path: Path, entries: list[_T]) -> None:
    write_atomically(path, msgspec.json.encode(entries))
