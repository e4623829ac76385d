"""Notices that the engine has work and does not get on with it.

The event loop lives on when the engine's thread hangs in native code, so the runner can say so
itself; that the whole process hangs is noticed by who asks it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from lmctl.base.quantities import format_duration

_LOOKS: Final = 30
"""How often the engine is looked at in the time after which it counts as hung."""


class Watchdog:
    """Looks at the engine while it has work; an idle one costs nothing.

    `progress` is any number that changes when the engine moves, `busy` says who is inside (empty:
    nobody). `tell` hears once that the engine hangs, and once with None when it moves again.
    """

    def __init__(
        self,
        patience: float,
        *,
        progress: Callable[[], int],
        busy: Callable[[], str],
        tell: Callable[[str | None], None],
    ) -> None:
        self._patience = patience
        self._every = patience / _LOOKS
        self._progress = progress
        self._busy = busy
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0
        self._since = 0.0
        self._hung = False

    def wake(self) -> None:
        """Work has come in: look from now on, until there is none."""
        if self._timer is None:
            self._seen, self._since = self._progress(), self._loop.time()
            self._timer = self._loop.call_later(self._every, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now, moved, inside = self._loop.time(), self._progress(), self._busy()
        late = self._timer is not None and now - self._timer.when() > self._every
        # When this very loop was stopped for a while, so was the engine: that is no hang of its.
        if late or not inside or moved != self._seen:
            self._seen, self._since = moved, now
        stuck = now - self._since
        # It last moved up to one look before that was seen, so this is never later than patience.
        hung = stuck >= self._patience - self._every
        if hung is not self._hung:
            self._hung = hung
            self._tell(
                f"no token for {format_duration(stuck)} with {inside}" if self._hung else None
            )
        self._timer = self._loop.call_later(self._every, self._look) if inside else None
