"""Since when things are as they are, kept over turns and over restarts of the daemon."""

from collections.abc import Callable

from lmctl.adapters.state.standings import Standings
from lmctl.planning.transitions import remember
from lmctl.planning.turn import Turn


class StandingMemory:
    """Dates every turn by what was known before it."""

    def __init__(self, table: Standings, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock
        self._known = self._kept = table.read()

    def dated(self, turn: Turn) -> Turn:
        """Return the turn with times; a turn without anything desired changes no memory."""
        if turn.desired is not None:
            seen = (turn.box, *turn.standings)
            self._known = remember(self._known, seen, now=self._clock())
        return turn.dated(self._known)

    def keep(self) -> None:
        """Write down what changed. Raises StateUnwritable."""
        if self._known != self._kept:
            self._table.remember(self._known)
            self._kept = self._known
