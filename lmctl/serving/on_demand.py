"""Loads that requests ask for: one flight per model, however many wait for it in this worker."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from lmctl.adapters.runner_client import status
from lmctl.base.errors import LmctlError, Unreachable
from lmctl.base.spec import Phase
from lmctl.planning.surface import Loadable, ServedRoute


class Terms(NamedTuple):
    """On what terms something is loaded for a request: the idle seconds it may stay, its context
    length in tokens; None is as declared.
    """

    ttl: float | None = None
    context_length: int | None = None


AS_DECLARED: Final = Terms()
Load = Callable[[Loadable, Terms], Awaitable[None]]
"""Asks the control plane to load something; returns once it serves and raises why it does not."""
_PATIENCE = 1.0  # seconds a runner may take to say how far it is


@dataclass(frozen=True, slots=True)
class Loading:
    """How far the load is that a request waits for: 0..1; `seconds` says how long it took, once it is
    over. `model` is the id clients know it by.
    """

    model: str
    progress: float = 0.0
    seconds: float | None = None


class Follower:
    """Tells whoever waits and wants to know how far a load is; nothing where nothing is loaded."""

    def __init__(
        self, tell: Callable[[Loading], object] | None, *, clock: Callable[[], float]
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._began = clock()
        self._last: Loading | None = None

    def begun(self, model: str) -> None:
        """Tell that it is being loaded."""
        if self._last is None and self._tell is not None:
            self._say(Loading(model))

    async def look(self, route: ServedRoute) -> None:
        """Ask the runner how far it is, and tell it if it has come further."""
        if self._last is None:
            return
        try:
            seen = await status(route.socket, timeout=_PATIENCE)
        except LmctlError:
            return  # it is not there yet
        if seen.phase is Phase.LOADING and seen.progress > self._last.progress:
            self._say(Loading(self._last.model, seen.progress))

    def over(self) -> None:
        """Tell that it serves."""
        if self._last is not None:
            self._say(Loading(self._last.model, 1.0, self._clock() - self._began))

    def _say(self, loading: Loading) -> None:
        self._last = loading
        if self._tell is not None:
            self._tell(loading)


class Loads:
    """What this worker has asked the control plane to load.

    A load belongs to the model, not to who asked first: one who leaves ends nothing that others
    wait for.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._flights: dict[str, asyncio.Future[None]] = {}

    def begin(self, wanted: Loadable, terms: Terms) -> asyncio.Future[None]:
        """Return the load of this model that is under way, or a new one."""
        flight = self._flights.get(wanted.name)
        if flight is None:
            flight = asyncio.ensure_future(self._load(wanted, terms))
            self._flights[wanted.name] = flight
            flight.add_done_callback(lambda _: self._over(wanted.name))
        return flight

    def _over(self, name: str) -> None:
        flight = self._flights.pop(name)
        if not flight.cancelled():
            flight.exception()  # looked at, whether or not anybody still waits for it


def raise_trouble(flight: asyncio.Future[None] | None, *, there: bool) -> None:
    """Raise what a load ended with; that the control plane is gone does not matter once the runner
    is `there`.
    """
    if flight is None or not flight.done() or flight.cancelled():
        return
    error = flight.exception()
    if error is not None and not (there and isinstance(error, Unreachable)):
        raise error
