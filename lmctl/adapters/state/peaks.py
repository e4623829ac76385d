"""The most memory runners ever had, by what they ran: what later estimates are corrected by."""

from collections.abc import Iterable
from typing import Final

import msgspec

from lmctl.adapters.state.database import Database
from lmctl.planning.fit.learned import MemoryPeak

KEEP: Final = 1000
"""Measurements kept, the newest; a row is some 700 bytes."""


class Peaks:
    """One measurement per weights, settings and engine build."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> tuple[MemoryPeak, ...]:
        rows = self._database.rows("SELECT measured FROM memory_peaks ORDER BY spec")
        return tuple(msgspec.json.decode(text, type=MemoryPeak) for (text,) in rows)

    def remember(self, measured: Iterable[MemoryPeak]) -> None:
        """Put these in the place of what was known of the same specs."""
        at = self._database.clock()
        rows = [(_spec(each), at, msgspec.json.encode(each).decode()) for each in measured]
        with self._database.change() as db:
            db.executemany("INSERT OR REPLACE INTO memory_peaks VALUES (?, ?, ?)", rows)
            db.execute(
                "DELETE FROM memory_peaks WHERE spec NOT IN"
                " (SELECT spec FROM memory_peaks ORDER BY at DESC, spec LIMIT ?)",
                (KEEP,),
            )


def _spec(peak: MemoryPeak) -> str:
    return msgspec.json.encode((peak.weights, peak.version, peak.settings)).decode()
