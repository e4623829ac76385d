"""How the database came to its present shape; each is applied once, in order, its number recorded.

A migration that was released is never edited: databases are out there that had it.
"""

import sqlite3
from collections.abc import Callable


def _first_tables(db: sqlite3.Connection) -> None:
    db.execute(
        """
        CREATE TABLE generations (
            number INTEGER PRIMARY KEY, digest TEXT NOT NULL, at REAL NOT NULL, roots TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute(
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, subject TEXT NOT NULL,
            reason TEXT NOT NULL, message TEXT NOT NULL, level TEXT NOT NULL,
            generation INTEGER NOT NULL, count INTEGER NOT NULL
        ) STRICT
        """
    )


def _converged_table(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE converged (subject TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT")


def _journal(db: sqlite3.Connection) -> None:
    """`ended_at` NULL: begun, and nobody wrote down how it ended."""
    db.execute(
        """
        CREATE TABLE actions (
            id INTEGER PRIMARY KEY AUTOINCREMENT, step TEXT NOT NULL, op TEXT NOT NULL,
            subject TEXT NOT NULL, generation INTEGER NOT NULL, because TEXT NOT NULL,
            started_at REAL NOT NULL, ended_at REAL, outcome TEXT NOT NULL, note TEXT NOT NULL,
            failure TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX actions_by_subject ON actions (subject, id)")
    db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")


def _standings(db: sqlite3.Connection) -> None:
    """`remembered` is JSON: each condition's status and since when."""
    db.execute("CREATE TABLE standings (key TEXT PRIMARY KEY, remembered TEXT NOT NULL) STRICT")


def _history(db: sqlite3.Connection) -> None:
    """Make room for what became of each generation; of earlier ones nobody knows."""
    for column in (
        "cause TEXT NOT NULL DEFAULT 'edit'",
        "of INTEGER NOT NULL DEFAULT 0",
        "commit_id TEXT NOT NULL DEFAULT ''",
        "author TEXT NOT NULL DEFAULT ''",
        "title TEXT NOT NULL DEFAULT ''",
        "dirty INTEGER NOT NULL DEFAULT 0",
        "summary TEXT NOT NULL DEFAULT ''",
        "plan TEXT NOT NULL DEFAULT ''",
        "result TEXT NOT NULL DEFAULT ''",
        "ended_at REAL",
    ):
        db.execute(f"ALTER TABLE generations ADD COLUMN {column}")
    db.execute(
        "UPDATE generations SET result='superseded'"
        " WHERE number < (SELECT max(number) FROM generations)"
    )


def _plans(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE plans (id TEXT PRIMARY KEY, at REAL NOT NULL) STRICT")


def _memory_peaks(db: sqlite3.Connection) -> None:
    """`measured` is JSON, `spec` what it was measured of."""
    db.execute(
        "CREATE TABLE memory_peaks"
        " (spec TEXT PRIMARY KEY, at REAL NOT NULL, measured TEXT NOT NULL) STRICT"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_tables,
    _converged_table,
    _journal,
    _standings,
    _history,
    _plans,
    _memory_peaks,
)
