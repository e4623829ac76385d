"""What running steps say of themselves, and a bell for those who follow it."""

import asyncio
from collections.abc import Callable

from lmctl.planning.conditions import Progress


class ProgressBoard:
    """The latest progress of each running step, by key."""

    def __init__(self, changed: Callable[[], None], heard: Callable[[str, Progress], None]) -> None:
        """`heard` is told every progress of every step, `changed` that there is one."""
        self._latest: dict[str, Progress] = {}
        self._changed = changed
        self._heard = heard

    def reporter(self, key: str) -> Callable[[Progress], None]:
        """Return the function a step tells its progress to."""

        def report(progress: Progress) -> None:
            self._latest[key] = progress
            self._heard(key, progress)
            self._changed()

        return report

    def forget(self, key: str) -> None:
        self._latest.pop(key, None)
        self._changed()

    def latest(self) -> dict[str, Progress]:
        return dict(self._latest)


class Changes:
    """A counter that can be waited on: many readers, no reader can miss the last change."""

    def __init__(self) -> None:
        self._number = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def number(self) -> int:
        return self._number

    def bump(self) -> None:
        """Something changed."""
        self._number += 1
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def after(self, number: int, *, seconds: float) -> int:
        """Return the current number once it is larger than `number`, or after `seconds`."""
        if self._number <= number:
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            await asyncio.wait({future}, timeout=seconds)
            self._waiting.discard(future)
            future.cancel()
        return self._number
