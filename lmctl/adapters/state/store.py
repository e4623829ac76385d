"""Every table of the state database over one connection."""

from pathlib import Path

from lmctl.adapters.state.converged import Converged
from lmctl.adapters.state.database import Clock, Database
from lmctl.adapters.state.events import Events
from lmctl.adapters.state.generations import Generations
from lmctl.adapters.state.journal import Journal
from lmctl.adapters.state.peaks import Peaks
from lmctl.adapters.state.plans import Plans
from lmctl.adapters.state.standings import Standings


class Store:
    """The state database; every method of its tables is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.generations = Generations(database)
        self.events = Events(database)
        self.journal = Journal(database)
        self.converged = Converged(database)
        self.plans = Plans(database)
        self.standings = Standings(database)
        self.peaks = Peaks(database)

    def close(self) -> None:
        self._database.close()


def open_store(path: Path, *, clock: Clock) -> Store:
    """Open the database as its one writer; raises Refused when that is not possible."""
    return Store(Database(path, clock=clock))


def read_store(path: Path, *, clock: Clock) -> Store:
    """Open the database only to read.

    Raises NotFound when there is none, Refused when it is damaged or of another version.
    """
    return Store(Database.reading(path, clock=clock))
