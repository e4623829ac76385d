"""What was last seen to be as it was wanted, so that what moves away later is known as drift."""

from collections.abc import Mapping

from lmctl.adapters.state.database import Database


class Converged:
    """By subject, the digest of what was wanted when it was last seen to be so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> dict[str, str]:
        return dict(self._database.rows("SELECT subject, digest FROM converged"))

    def remember(self, now: Mapping[str, str]) -> None:
        """Put these in the place of what was remembered."""
        with self._database.change() as db:
            db.execute("DELETE FROM converged")
            db.executemany("INSERT INTO converged VALUES (?, ?)", sorted(now.items()))
