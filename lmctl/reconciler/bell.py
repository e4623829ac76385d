"""The bell that wakes the loop, and the pulse that shows that the loop still goes round."""

import asyncio
from collections.abc import Callable
from math import inf


class Bell:
    """Many rings before the next turn make one turn; after `resync` seconds it rings by itself.

    `alive` is called whenever the loop comes by, at least every `beat` seconds while it sleeps, so
    that silence means that a turn hangs.
    """

    def __init__(
        self, alive: Callable[[], None] = lambda: None, *, beat: float = inf, resync: float = 60.0
    ) -> None:
        self._event = asyncio.Event()
        self._resync = resync
        self._alive = alive
        self._beat = beat

    def ring(self) -> None:
        """Ask for another turn."""
        self._event.set()

    def clear(self) -> None:
        """Begin a turn: what rings from now on asks for the one after it."""
        self._event.clear()
        self._alive()

    async def wait(self, seconds: float) -> None:
        """Return when it rings or the time is over."""
        clock = asyncio.get_running_loop().time
        until = clock() + min(seconds, self._resync)
        while not self._event.is_set() and (left := until - clock()) > 0:
            try:
                async with asyncio.timeout(min(left, self._beat)):
                    await self._event.wait()
            except TimeoutError:
                self._alive()
