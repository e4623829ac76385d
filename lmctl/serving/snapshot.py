"""What the control plane last wrote, read from files, without asking anybody.

`surface.json`, `health.json`, `tokens.json` and `models.json` are replaced whole by the daemon. A `stat` of the
first three per request is some microseconds, so a change is served by the next request and no watcher
has to live in every worker. A file that is missing or broken changes nothing: the last good one goes on being served.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import structlog

from lmctl.planning.known_models import MODELS_FILE, KnownModels
from lmctl.planning.surface import FoundTokens, Health, Surface

SURFACE_FILE = "surface.json"
HEALTH_FILE = "health.json"
TOKENS_FILE = "tokens.json"

_log = structlog.get_logger("lmctl.serving")
_Content = TypeVar("_Content", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading of the files. `written_at` is when the surface was written, in unix seconds,
    0 before there was one.
    """

    surface: Surface
    health: Health
    tokens: FoundTokens
    written_at: int


class Snapshots:
    """The files of a run folder, as they are now."""

    def __init__(self, folder: Path) -> None:
        self._surface = _File(folder / SURFACE_FILE, Surface())
        self._health = _File(folder / HEALTH_FILE, Health())
        self._tokens = _File(folder / TOKENS_FILE, FoundTokens())
        self._models = _File(folder / MODELS_FILE, KnownModels())
        self._last = self._together()

    def now(self) -> Snapshot:
        """Return the newest good reading; the same object as long as nothing changed."""
        changed = [each.refresh() for each in (self._surface, self._health, self._tokens)]
        if any(changed):
            self._last = self._together()
        return self._last

    def models(self) -> KnownModels:
        """Return the models that are known; read only when somebody asks for them."""
        self._models.refresh()
        return self._models.value

    def _together(self) -> Snapshot:
        surface = self._surface
        return Snapshot(surface.value, self._health.value, self._tokens.value, surface.written_at)


class _File(Generic[_Content]):
    def __init__(self, path: Path, value: _Content) -> None:
        self.value: _Content = value
        self.written_at = 0
        self._path = path
        self._decoder: msgspec.json.Decoder[_Content] = msgspec.json.Decoder(type(value))
        self._seen: tuple[int, int, int] | None = None

    def refresh(self) -> bool:
        """Read the file again if it is another one than last time; tell whether the value is new."""
        try:
            mark = _mark(os.stat(self._path))  # noqa: PTH116 - the cheapest there is
            if mark == self._seen:
                return False
            self._seen = mark
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                self._seen = _mark(status)
                self.value = self._decoder.decode(file.read())
        except FileNotFoundError:
            return False
        except (OSError, msgspec.DecodeError) as error:
            # Once per version of the file: a broken one is not decoded again until it is replaced.
            _log.warning("kept the last good version", file=self._path.name, problem=str(error))
            return False
        self.written_at = int(status.st_mtime)
        return True


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_ino, status.st_size
