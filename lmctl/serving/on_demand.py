"""Loads that requests ask for: one flight per model, however many wait for it in this worker."""

import asyncio
from collections.abc import Awaitable, Callable

from lmctl.planning.surface import Loadable

Load = Callable[[Loadable, float | None], Awaitable[None]]
"""Asks the control plane to load something, with the idle seconds it may stay (None: as declared);
returns once it serves and raises why it does not.
"""


class Loads:
    """What this worker has asked the control plane to load.

    A load belongs to the model, not to who asked first: one who leaves ends nothing that others
    wait for.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._flights: dict[str, asyncio.Future[None]] = {}

    def begin(self, wanted: Loadable, ttl: float | None) -> asyncio.Future[None]:
        """Return the load of this model that is under way, or a new one."""
        flight = self._flights.get(wanted.name)
        if flight is None:
            flight = asyncio.ensure_future(self._load(wanted, ttl))
            self._flights[wanted.name] = flight
            flight.add_done_callback(lambda _: self._over(wanted.name))
        return flight

    def _over(self, name: str) -> None:
        flight = self._flights.pop(name)
        if not flight.cancelled():
            flight.exception()  # looked at, whether or not anybody still waits for it
