"""Which readings of the manifests there were, numbered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lmctl.adapters.state.database import Database


@dataclass(frozen=True, slots=True)
class Generation:
    """One reading of the manifests that was different from the one before."""

    number: int
    digest: str
    at: float
    roots: tuple[str, ...]


class Generations:
    """The table of generations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> Generation | None:
        rows = self._database.rows(
            "SELECT number, digest, at, roots FROM generations ORDER BY number DESC LIMIT 1"
        )
        if not rows:
            return None
        number, digest, at, roots = rows[0]
        return Generation(number, digest, at, tuple(json.loads(roots)))

    def of(self, digest: str, roots: Sequence[str]) -> Generation:
        """Return the current generation if it has this digest, else write a new one."""
        last = self.last()
        if last is not None and last.digest == digest:
            return last
        number = last.number + 1 if last else 1
        new = Generation(number, digest, self._database.clock(), tuple(roots))
        with self._database.change() as db:
            values = (new.number, new.digest, new.at, json.dumps(list(new.roots)))
            db.execute("INSERT INTO generations VALUES (?, ?, ?, ?)", values)
        return new
