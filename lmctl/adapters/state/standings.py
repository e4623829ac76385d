"""Since when each object is as it is, and for which generation it was last Ready."""

from collections.abc import Mapping

import msgspec

from lmctl.adapters.state.database import Database
from lmctl.planning.transitions import Remembered


class Standings:
    """What is remembered of each object, by key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> dict[str, Remembered]:
        rows = self._database.rows("SELECT key, remembered FROM standings")
        return {key: msgspec.json.decode(text, type=Remembered) for key, text in rows}

    def remember(self, now: Mapping[str, Remembered]) -> None:
        """Put these in the place of what was remembered."""
        rows = [(key, msgspec.json.encode(each).decode()) for key, each in sorted(now.items())]
        with self._database.change() as db:
            db.execute("DELETE FROM standings")
            db.executemany("INSERT INTO standings VALUES (?, ?)", rows)
