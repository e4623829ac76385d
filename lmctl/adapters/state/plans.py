"""Which written plans were applied, so that none is applied twice."""

from lmctl.adapters.state.database import Database


class Plans:
    """The table of plans that were applied."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def consumed(self, plan: str) -> float | None:
        """Return when a plan was applied (unix seconds), None when it never was."""
        rows = self._database.rows("SELECT at FROM plans WHERE id=?", (plan,))
        return float(rows[0][0]) if rows else None

    def consume(self, plan: str) -> None:
        """Write down, durably, that a plan is applied now."""
        with self._database.change() as db:
            db.execute("INSERT INTO plans VALUES (?, ?)", (plan, self._database.clock()))
