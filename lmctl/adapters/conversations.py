"""Stored turns in an SQLite file that all workers of a gateway share.

WAL, a busy timeout and one short transaction per request keep them out of each other's way. A
commit survives a kill; `synchronous=NORMAL` may lose the last ones when the machine itself dies,
which costs a client a turn it can ask again.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from lmctl.base.errors import LmctlError
from lmctl.base.stored import StoredTurn
from lmctl.base.talk import Message

CONVERSATIONS_FILE: Final = "conversations.db"
_PATIENCE: Final = 5.0  # seconds to wait for another worker's transaction
_BETWEEN_PRUNES: Final = 100  # turns one worker adds
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS turns (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, parent TEXT, at REAL NOT NULL,
    used REAL NOT NULL, hidden INTEGER NOT NULL DEFAULT 0, model TEXT NOT NULL,
    system TEXT NOT NULL, messages BLOB NOT NULL, response BLOB NOT NULL, items BLOB NOT NULL
) STRICT
"""
_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS turns_by_parent ON turns (parent)",
    "CREATE INDEX IF NOT EXISTS turns_by_use ON turns (used)",
)
_LINE: Final = """
WITH RECURSIVE line(id, parent, depth) AS (
    SELECT id, parent, 0 FROM turns WHERE id = ?
    UNION ALL
    SELECT turns.id, turns.parent, depth + 1 FROM turns JOIN line ON turns.id = line.parent
)
"""
_COLUMNS: Final = "turns.id, at, model, messages, turns.parent, system, response, items"
_messages = msgspec.msgpack.Decoder(tuple[Message, ...])


class StoreUnusable(LmctlError):
    """The file of stored turns cannot be read or written."""


class TurnFile:
    """The stored turns of one home, through one connection; made when first written to.

    Every method raises StoreUnusable. Used by one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._added = 0

    def add(self, turn: StoredTurn, *, keep: float, most: int) -> None:
        """Keep a turn. Turns nobody went on from for `keep` seconds are forgotten now and then, and
        all but the `most` last used.
        """
        with self._change() as db:
            db.execute(
                "INSERT INTO turns (id, parent, at, used, model, system, messages, response, items)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(turn.id, turn.parent, turn.at, turn.at, turn.model, turn.system),
                    *(msgspec.msgpack.encode(turn.messages), turn.response, turn.items),
                ),
            )
            # Whoever goes on keeps what it goes on from: no turn is older than those after it.
            db.execute(
                f"{_LINE} UPDATE turns SET used = max(used, ?) WHERE id IN (SELECT id FROM line)",  # noqa: S608 - constants
                (turn.parent, turn.at),
            )
            if self._added % _BETWEEN_PRUNES == 0:
                _prune(db, before=turn.at - keep, most=most)
        self._added += 1

    def line(self, turn_id: str) -> tuple[StoredTurn, ...]:
        """Return a turn with all it goes on from, the first one first; empty when there is none."""
        return self._read(
            f"{_LINE} SELECT {_COLUMNS} FROM turns JOIN line ON turns.id = line.id"  # noqa: S608 - constants
            " WHERE EXISTS (SELECT 1 FROM turns WHERE id = ? AND hidden = 0) ORDER BY depth DESC",
            (turn_id, turn_id),
        )

    def get(self, turn_id: str) -> StoredTurn | None:
        """Return one turn."""
        found = self._read(f"SELECT {_COLUMNS} FROM turns WHERE id = ? AND hidden = 0", (turn_id,))  # noqa: S608 - constants
        return found[0] if found else None

    def forget(self, turn_id: str) -> bool:
        """Delete a turn and say whether there was one. While others go on from it its messages stay
        for them; it can be neither read nor gone on from any more.
        """
        if not self._path.exists():
            return False
        with self._change() as db:
            found = db.execute(
                "UPDATE turns SET hidden = 1, response = x'', items = x''"
                " WHERE id = ? AND hidden = 0",
                (turn_id,),
            ).rowcount
            _sweep(db)
        return found > 0

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _read(self, query: str, values: tuple[str, ...]) -> tuple[StoredTurn, ...]:
        if not self._path.exists():
            return ()
        with self._told(), self._open() as db:
            rows = db.execute(query, values).fetchall()
        return tuple(map(_turn, rows))

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Do everything in the block, or nothing of it."""
        with self._told(), self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnusable(
                f"stored conversations cannot be used: {error}",
                hint=f"is the disk full? `{self._path.name}` may be moved away",
            ) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            self._db = _opened(self._path)
        yield self._db


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        path.chmod(0o600)  # what people said to a model
        _retried(lambda: db.execute("PRAGMA journal_mode=WAL"))
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("BEGIN IMMEDIATE")
        db.execute(_TABLE)
        for each in _INDEXES:
            db.execute(each)
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _retried(change: Callable[[], object]) -> None:
    """Switch a new file to WAL: SQLite does not wait by itself when two workers do it at once."""
    for left in reversed(range(10)):
        try:
            change()
        except sqlite3.OperationalError:
            if not left:
                raise
        else:
            return


def _prune(db: sqlite3.Connection, *, before: float, most: int) -> None:
    db.execute("DELETE FROM turns WHERE used < ?", (before,))
    # Of turns used at the same moment the earliest is what the others go on from.
    db.execute(
        "DELETE FROM turns WHERE number IN"
        " (SELECT number FROM turns ORDER BY used DESC, number LIMIT -1 OFFSET ?)",
        (most,),
    )
    _sweep(db)


def _sweep(db: sqlite3.Connection) -> None:
    """Remove deleted turns that nobody goes on from, from the last ones up."""
    while db.execute(
        "DELETE FROM turns WHERE hidden = 1 AND NOT EXISTS"
        " (SELECT 1 FROM turns AS later WHERE later.parent = turns.id)"
    ).rowcount:
        continue


def _turn(row: tuple[str, float, str, bytes, str | None, str, bytes, bytes]) -> StoredTurn:
    turn_id, at, model, messages, parent, system, response, items = row
    return StoredTurn(
        turn_id, at, model, _messages.decode(messages), parent, system, response, items
    )
