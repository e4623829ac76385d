"""What the daemon did: every action is written down before it begins and again when it ended.

The journal is never replayed. A daemon that finds an action without an ending calls it
interrupted, looks at the world and plans anew; what it did is then seen, whatever it was.
"""

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from lmctl.adapters.state.database import Database

KEEP = 10_000
_TYPICAL_OF = 10  # the last so many durations say what is typical now


class Ending(StrEnum):
    """How an action stands or ended."""

    STARTED = "started"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    STALLED = "stalled"
    SUPERSEDED = "superseded"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Action:
    """One try of one step: `op` is its verb, `because` the plan's reason, times are unix seconds.

    `failure` is the kind of failure, empty otherwise; `ended_at` is None while it runs.
    """

    id: int
    step: str
    op: str
    subject: str
    generation: int
    because: str
    started_at: float
    ended_at: float | None = None
    outcome: str = Ending.STARTED
    note: str = ""
    failure: str = ""

    @property
    def seconds(self) -> float | None:
        return None if self.ended_at is None else self.ended_at - self.started_at


_FIELDS = (
    "SELECT id, step, op, subject, generation, because, started_at, ended_at, outcome, note,"
    " failure FROM actions"
)


class Journal:
    """The table of actions, and the serial that rises with each ending."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def lineage(self) -> str:
        """Return the name of this database: a lost one's successor has another."""
        return self._meta("lineage")

    @property
    def serial(self) -> int:
        """Return a number that rises with each ending of an action."""
        return int(self._meta("serial"))

    def began(self, *, step: str, subject: str, generation: int, because: str) -> int:
        """Write down what is about to be done; returns the action's id."""
        op = step.partition(" ")[0]
        with self._database.change() as db:
            cursor = db.execute(
                "INSERT INTO actions (step, op, subject, generation, because, started_at, outcome,"
                " note, failure) VALUES (?, ?, ?, ?, ?, ?, ?, '', '')",
                (step, op, subject, generation, because, self._database.clock(), Ending.STARTED),
            )
            number = int(cursor.lastrowid or 0)
            db.execute("DELETE FROM actions WHERE id <= ?", (number - KEEP,))
        return number

    def ended(self, number: int, outcome: Ending, note: str = "", *, failure: str = "") -> None:
        """Write down how an action ended."""
        with self._database.change() as db:
            db.execute(
                "UPDATE actions SET ended_at=?, outcome=?, note=?, failure=? WHERE id=?",
                (self._database.clock(), outcome, note, failure, number),
            )
            _raise_serial(db)

    def interrupt(self) -> list[Action]:
        """Call every action without an ending interrupted; returns those."""
        found = self._found("WHERE outcome=? ORDER BY id", (Ending.STARTED,))
        if found:
            with self._database.change() as db:
                db.execute(
                    "UPDATE actions SET outcome=?, note=? WHERE outcome=?",
                    (Ending.INTERRUPTED, "the daemon ended before this did", Ending.STARTED),
                )
                _raise_serial(db)
        return found

    def about(self, subject: str, *, limit: int = 20) -> list[Action]:
        """Return the last actions on one subject, oldest first; a route that is switched to an
        instance is about that too.
        """
        found = self._found(
            "WHERE subject=? OR step LIKE 'switch ' || ? || '@%' ORDER BY id DESC LIMIT ?",
            (subject, subject, limit),
        )
        return found[::-1]

    def after(self, number: int = 0, *, limit: int = 1000) -> list[Action]:
        """Return actions with a larger id, oldest first."""
        return self._found("WHERE id > ? ORDER BY id LIMIT ?", (number, limit))

    def durations(self, op: str, subject: str, *, step: str = "", limit: int = 100) -> list[float]:
        """Return how many seconds each of the last successful ones took, the newest first.

        With `step` (a key, which names the spec) only those of exactly that step.
        """
        rows = self._database.rows(
            "SELECT ended_at - started_at FROM actions WHERE subject=? AND op=? AND outcome=?"
            " AND (?='' OR step=?) ORDER BY id DESC LIMIT ?",
            (subject, op, Ending.DONE, step, step, limit),
        )
        return [float(row[0]) for row in rows]

    def typical(self, step: str, subject: str) -> float | None:
        """Return how many seconds a step usually takes here: the median of its own last times, or
        of those of the same verb and subject when it is new; None when nothing like it was done.
        """
        op = step.partition(" ")[0]
        own = self.durations(op, subject, step=step, limit=_TYPICAL_OF)
        found = own or self.durations(op, subject, limit=_TYPICAL_OF)
        return median(found) if found else None

    def _found(self, where: str, values: tuple[Any, ...]) -> list[Action]:
        rows = self._database.rows(f"{_FIELDS} {where}", values)
        return [Action(*row) for row in rows]

    def _meta(self, name: str) -> str:
        [(value,)] = self._database.rows("SELECT value FROM meta WHERE name=?", (name,))
        return str(value)


def _raise_serial(db: Any) -> None:
    db.execute("UPDATE meta SET value = value + 1 WHERE name='serial'")
