"""What happened, for people: an append-only list with repeats counted."""

from dataclasses import dataclass
from typing import Any

from lmctl.adapters.state.database import Database

KEEP = 10_000
# An exact repeat of one of a subject's last events within this time (seconds) only raises its count:
# Started, Failed, Started, Failed … of something that is tried again are two lines.
REPEATS_AMONG = 6
REPEATS_WITHIN = 600.0
LEVELS = ("info", "warning", "error")


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


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to tell: of a subject (`instance/chat`), a kind (`instance`) or of all (empty),
    and how grave they are at least.
    """

    subject: str = ""
    level: str = "info"

    @property
    def levels(self) -> tuple[str, ...]:
        return LEVELS[LEVELS.index(self.level) :]


_ALL = Filter()
_FIELDS = "SELECT id, at, subject, reason, message, level, generation, count FROM events"
_ABOUT = f"{_FIELDS} WHERE subject=? ORDER BY id DESC LIMIT ?"


class Events:
    """The table of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self, subject: str, reason: str, message: str, *, level: str = "info", generation: int = 0
    ) -> Event:
        """Append an event; an exact repeat of one of the subject's last only raises its count."""
        at = self._database.clock()
        with self._database.change() as db:
            count = 1
            for row in db.execute(_ABOUT, (subject, REPEATS_AMONG)).fetchall():
                known = Event(*row)
                same = (known.reason, known.message, known.generation)
                if same == (reason, message, generation) and at - known.at <= REPEATS_WITHIN:
                    db.execute("DELETE FROM events WHERE id=?", (known.id,))
                    count = known.count + 1
                    break
            values = (at, subject, reason, message, level, generation, count)
            cursor = db.execute(
                "INSERT INTO events (at, subject, reason, message, level, generation, count)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            number = int(cursor.lastrowid or 0)
            db.execute("DELETE FROM events WHERE id <= ?", (number - KEEP,))
        return Event(number, *values)

    def after(self, number: int = 0, *, limit: int = 1000, wanted: Filter = _ALL) -> list[Event]:
        """Return events with a larger id, oldest first; the newest `limit` when `number` is 0."""
        marks = ", ".join("?" * len(wanted.levels))
        query = (
            f"{_FIELDS} WHERE id > ? AND (?='' OR subject=? OR subject LIKE ?)"
            f" AND level IN ({marks}) ORDER BY id {'DESC' if number == 0 else 'ASC'} LIMIT ?"
        )
        about = (wanted.subject, wanted.subject, f"{wanted.subject}/%")
        return _oldest_first(self._database.rows(query, (number, *about, *wanted.levels, limit)))

    def about(self, subject: str, *, limit: int = 20) -> list[Event]:
        """Return the last events of one subject, oldest first."""
        return _oldest_first(self._database.rows(_ABOUT, (subject, limit)))


def _oldest_first(rows: list[Any]) -> list[Event]:
    return sorted((Event(*row) for row in rows), key=lambda each: each.id)
