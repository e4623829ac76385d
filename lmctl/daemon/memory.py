"""Since when things are as they are and how much memory runners had, kept over turns and restarts."""

from collections.abc import Callable

from lmctl.adapters.state.peaks import Peaks
from lmctl.adapters.state.standings import Standings
from lmctl.planning.fit.learned import worth_keeping
from lmctl.planning.fit.measured import measured
from lmctl.planning.observed import ObservedState
from lmctl.planning.transitions import remember
from lmctl.planning.turn import Turn


class StandingMemory:
    """Dates every turn by what was known before it."""

    def __init__(self, table: Standings, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock
        self._known = self._kept = table.read()
        self._last: tuple[Turn, Turn] | None = None

    def dated(self, turn: Turn) -> Turn:
        """Return the turn with times; a turn without anything desired changes no memory."""
        if self._last is not None and self._last[0] is turn:
            return self._last[1]
        if turn.desired is not None:
            seen = (turn.box, *turn.standings)
            self._known = remember(self._known, seen, now=self._clock())
        self._last = turn, turn.dated(self._known)
        return self._last[1]

    def keep(self) -> None:
        """Write down what changed. Raises StateUnwritable."""
        if self._known != self._kept:
            self._table.remember(self._known)
            self._kept = self._known


class PeakMemory:
    """The most memory every spec was seen to take; `known` are all there are."""

    def __init__(self, table: Peaks) -> None:
        self._table = table
        self.known = table.read()

    def learn(self, seen: ObservedState) -> None:
        """Keep what says more than what is known. Raises StateUnwritable."""
        new = [each for each in measured(seen) if worth_keeping(each, self.known)]
        if new:
            self._table.remember(new)
            self.known = self._table.read()
