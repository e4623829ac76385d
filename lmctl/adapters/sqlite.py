"""The daemon's memory: generations, events, last conditions. One writer; losing it loses no model.

WAL and `synchronous=FULL`: a commit that returned survives a kill (measured 0.36 ms median,
6.2 ms p99, design/reconciler.md 0.8).
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmctl.base.errors import Refused

KEEP_EVENTS = 10_000
_HINT = "is the disk full, or the home folder not writable?"


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
class Generation:
    """One reading of the manifests that was different from the one before."""

    number: int
    digest: str
    at: float
    roots: tuple[str, ...]


def _first_tables(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE generations (
            number INTEGER PRIMARY KEY, digest TEXT NOT NULL, at REAL NOT NULL, roots TEXT NOT NULL
        ) STRICT
        """
    )
    connection.execute(
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, subject TEXT NOT NULL,
            reason TEXT NOT NULL, message TEXT NOT NULL, level TEXT NOT NULL,
            generation INTEGER NOT NULL, count INTEGER NOT NULL
        ) STRICT
        """
    )


def _converged_table(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE converged (subject TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT"
    )


_FIELDS = "SELECT id, at, subject, reason, message, level, generation, count FROM events"
_NEWEST = f"{_FIELDS} WHERE id > ? ORDER BY id DESC LIMIT ?"
_NEXT = f"{_FIELDS} WHERE id > ? ORDER BY id ASC LIMIT ?"

# Each is applied once, in order, and its number recorded.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_tables,
    _converged_table,
)


def _migrate(db: sqlite3.Connection) -> None:
    """Apply what is new, each migration and its number in one transaction."""
    (done,) = db.execute("PRAGMA user_version").fetchone()
    for number, migration in enumerate(MIGRATIONS[done:], start=done + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            migration(db)
            db.execute(f"PRAGMA user_version={number}")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")


class Store:
    """The state database; every method is one short transaction."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        """Open or make the database; a damaged one is moved aside, for it is only a memory."""
        self._clock = clock
        try:
            self._db = self._open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise Refused(f"cannot open {path}: {error}", hint=_HINT) from error
            path.replace(path.with_name(f"{path.name}.damaged-{clock():.0f}"))
            self._db = self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            _migrate(db)
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def last_generation(self) -> Generation | None:
        row = self._db.execute(
            "SELECT number, digest, at, roots FROM generations ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return Generation(row[0], row[1], row[2], tuple(json.loads(row[3]))) if row else None

    def generation_of(self, digest: str, roots: Sequence[str]) -> Generation:
        """Return the current generation if it has this digest, else write a new one."""
        last = self.last_generation()
        if last is not None and last.digest == digest:
            return last
        new = Generation(last.number + 1 if last else 1, digest, self._clock(), tuple(roots))
        with self._change() as db:
            values = (new.number, new.digest, new.at, json.dumps(list(new.roots)))
            db.execute("INSERT INTO generations VALUES (?, ?, ?, ?)", values)
        return new

    def converged(self) -> dict[str, str]:
        """Return, by subject, the digest of what was wanted when it was last seen to be so."""
        return dict(self._db.execute("SELECT subject, digest FROM converged").fetchall())

    def remember_converged(self, now: Mapping[str, str]) -> None:
        """Put these in the place of what was remembered."""
        with self._change() as db:
            db.execute("DELETE FROM converged")
            db.executemany("INSERT INTO converged VALUES (?, ?)", sorted(now.items()))

    def record(
        self, subject: str, reason: str, message: str, *, level: str = "info", generation: int = 0
    ) -> Event:
        """Append an event; an exact repeat of the subject's last one only raises its count."""
        at = self._clock()
        with self._change() as db:
            row = db.execute(
                "SELECT id, reason, message, generation, count FROM events"
                " WHERE subject=? ORDER BY id DESC LIMIT 1",
                (subject,),
            ).fetchone()
            if row and row[1:4] == (reason, message, generation):
                db.execute("DELETE FROM events WHERE id=?", (row[0],))
            count = row[4] + 1 if row and row[1:4] == (reason, message, generation) else 1
            values = (at, subject, reason, message, level, generation, count)
            cursor = db.execute(
                "INSERT INTO events (at, subject, reason, message, level, generation, count)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            number = int(cursor.lastrowid or 0)
            db.execute("DELETE FROM events WHERE id <= ?", (number - KEEP_EVENTS,))
        return Event(number, at, subject, reason, message, level, generation, count)

    def events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return events with a larger id, oldest first; the newest `limit` when `after` is 0."""
        query = _NEWEST if after == 0 else _NEXT
        rows: list[Any] = self._db.execute(query, (after, limit)).fetchall()
        return sorted((Event(*row) for row in rows), key=lambda each: each.id)
