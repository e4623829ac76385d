"""What was fetched, from where, and what stat said when it was hashed: `HOME/weights/<key>.json`."""

from pathlib import Path

import msgspec
import structlog

from lmctl.adapters.files import write_atomically
from lmctl.base.errors import NotFound
from lmctl.planning.weights_values import StoredWeights

_log = structlog.get_logger()

_Stat = tuple[int, int, int]


class Records:
    """The records of one home. One that did not change on disk is decoded once."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "weights"
        self._read: dict[str, tuple[_Stat, StoredWeights]] = {}

    def path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def read(self, key: str) -> StoredWeights | None:
        """Return a record, None when there is none.

        Raises msgspec.DecodeError when it is damaged.
        """
        path = self.path(key)
        try:
            found = path.stat()
            stat = (found.st_mtime_ns, found.st_size, found.st_ino)
            known = self._read.get(key)
            if known is not None and known[0] == stat:
                return known[1]
            stored = msgspec.json.decode(path.read_bytes(), type=StoredWeights)
        except FileNotFoundError:
            return None
        self._read[key] = (stat, stored)
        return stored

    def known(self, key: str, what: str) -> StoredWeights:
        """Return a record that must be there.

        Raises NotFound, calling it `what`, when it is missing or damaged.
        """
        try:
            stored = self.read(key)
        except msgspec.DecodeError as error:
            raise NotFound(f"the record of {what} is damaged: {error}", hint="fetch it") from error
        if stored is None:
            raise NotFound(f"{what} is not stored", hint="fetch it first")
        return stored

    def write(self, stored: StoredWeights) -> StoredWeights:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path(stored.key), msgspec.json.encode(stored))
        return stored

    def remove(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def scan(self) -> tuple[StoredWeights, ...]:
        """Return every readable record, by model."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                stored = self.read(path.stem)
            except msgspec.DecodeError as error:
                _log.warning("weights record is damaged", record=path.name, why=str(error))
                continue
            if stored is not None:
                found.append(stored)
        return tuple(sorted(found, key=lambda each: (each.model, each.key)))
