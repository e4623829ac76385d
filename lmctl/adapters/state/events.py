"""What happened, for people: an append-only list with repeats counted."""

from dataclasses import dataclass
from typing import Any

from lmctl.adapters.state.database import Database

KEEP = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `count` says how often in a row, `at` when last (unix seconds)."""

    id: int
    at: float
    subject: str
    reason: str
    message: str
    level: str = "info"
    generation: int = 0
    count: int = 1


_FIELDS = "SELECT id, at, subject, reason, message, level, generation, count FROM events"
_NEWEST = f"{_FIELDS} WHERE id > ? ORDER BY id DESC LIMIT ?"
_NEXT = f"{_FIELDS} WHERE id > ? ORDER BY id ASC LIMIT ?"
_ABOUT = f"{_FIELDS} WHERE subject=? ORDER BY id DESC LIMIT ?"


class Events:
    """The table of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self, subject: str, reason: str, message: str, *, level: str = "info", generation: int = 0
    ) -> Event:
        """Append an event; an exact repeat of the subject's last one only raises its count."""
        at = self._database.clock()
        with self._database.change() as db:
            row = db.execute(_ABOUT, (subject, 1)).fetchone()
            count = 1
            if row and (row[3], row[4], row[6]) == (reason, message, generation):
                db.execute("DELETE FROM events WHERE id=?", (row[0],))
                count = row[7] + 1
            values = (at, subject, reason, message, level, generation, count)
            cursor = db.execute(
                "INSERT INTO events (at, subject, reason, message, level, generation, count)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            number = int(cursor.lastrowid or 0)
            db.execute("DELETE FROM events WHERE id <= ?", (number - KEEP,))
        return Event(number, *values)

    def after(self, number: int = 0, *, limit: int = 1000) -> list[Event]:
        """Return events with a larger id, oldest first; the newest `limit` when `number` is 0."""
        rows = self._database.rows(_NEWEST if number == 0 else _NEXT, (number, limit))
        return _oldest_first(rows)

    def about(self, subject: str, *, limit: int = 20) -> list[Event]:
        """Return the last events of one subject, oldest first."""
        return _oldest_first(self._database.rows(_ABOUT, (subject, limit)))


def _oldest_first(rows: list[Any]) -> list[Event]:
    return sorted((Event(*row) for row in rows), key=lambda each: each.id)
