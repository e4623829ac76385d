"""Which readings of the manifests were in force, numbered, and what became of each."""

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from lmctl.adapters.state.database import Database

KEEP_PLANS = 100

Cause = Literal["edit", "rollback", "resume"]
Result = Literal["", "converged", "failed", "superseded"]


class Generation(msgspec.Struct, frozen=True, rename="camel"):
    """One content of the manifests that came into force at `at` (unix seconds).

    `cause`: somebody edited files, rolled back to generation `of`, or resumed after that. The
    commit fields are empty when the folder is in no git work tree; `dirty`: it differed from that
    commit. `result` is empty while it is not known, `ended_at` when it became so.
    """

    number: int
    digest: str
    at: float
    roots: tuple[str, ...] = ()
    cause: Cause = "edit"
    of: int = 0
    commit: str = ""
    author: str = ""
    title: str = ""
    dirty: bool = False
    summary: str = ""
    result: Result = ""
    ended_at: float | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.ended_at is None else self.ended_at - self.at


_FIELDS = (
    "SELECT number, digest, at, roots, cause, of, commit_id, author, title, dirty, summary, result,"
    " ended_at FROM generations"
)


class Generations:
    """The table of generations. Metadata is kept for ever, plans of the last hundred."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> Generation | None:
        return next(iter(self._found("ORDER BY number DESC LIMIT 1")), None)

    def get(self, number: int) -> Generation | None:
        return next(iter(self._found("WHERE number=?", number)), None)

    def all(self, *, limit: int = 1000) -> list[Generation]:
        """Return the newest ones, oldest first."""
        return self._found("ORDER BY number DESC LIMIT ?", limit)[::-1]

    def add(self, new: Generation) -> None:
        """Write down a new generation; the one before is superseded unless it came to an end."""
        with self._database.change() as db:
            db.execute(
                "UPDATE generations SET result='superseded', ended_at=? WHERE result=''",
                (new.at,),
            )
            db.execute(
                "INSERT INTO generations (number, digest, at, roots, cause, of, commit_id, author,"
                " title, dirty, summary, result, ended_at, plan)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
                (
                    *(new.number, new.digest, new.at, json.dumps(list(new.roots))),
                    *(new.cause, new.of, new.commit, new.author, new.title, new.dirty),
                    *(new.summary, new.result, new.ended_at),
                ),
            )
            db.execute(
                "UPDATE generations SET plan='' WHERE number <= ?", (new.number - KEEP_PLANS,)
            )

    def planned(self, number: int, summary: str, steps: bytes) -> None:
        """Write down the plan of a generation, in a line and its steps as JSON, unless it is known."""
        with self._database.change() as db:
            db.execute(
                "UPDATE generations SET summary=?, plan=? WHERE number=? AND summary=''",
                (summary, steps.decode(), number),
            )

    def plan(self, number: int) -> bytes:
        """Return the first plan's steps as JSON; empty when it is not known any more."""
        rows = self._database.rows("SELECT plan FROM generations WHERE number=?", (number,))
        return str(rows[0][0]).encode() if rows else b""

    def ended(self, number: int, result: Result) -> None:
        """Write down what became of a generation; what converged once stays so."""
        with self._database.change() as db:
            db.execute(
                "UPDATE generations SET result=?, ended_at=?"
                " WHERE number=? AND result IN ('', 'failed') AND result!=?",
                (result, self._database.clock(), number, result),
            )

    def _found(self, where: str, *values: Any) -> list[Generation]:
        rows = self._database.rows(f"{_FIELDS} {where}", values)
        return [_generation(row) for row in rows]


def _generation(row: Sequence[Any]) -> Generation:
    number, digest, at, roots, cause, of, commit, author, title, dirty, summary, result, end = row
    return Generation(
        number=number,
        digest=digest,
        at=at,
        roots=tuple(json.loads(roots)),
        cause=cause,
        of=of,
        commit=commit,
        author=author,
        title=title,
        dirty=bool(dirty),
        summary=summary,
        result=result,
        ended_at=end,
    )
