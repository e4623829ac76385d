"""Answers that are written while nobody waits: begun, looked at, and called off from any worker."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from lmctl.base.errors import Busy, LmctlError

_LOOK: Final = 0.5  # seconds between two looks whether it was called off

_log = structlog.get_logger("lmctl.serving")


class Notes(Protocol):
    """What all workers see. Every method may wait for a disk."""

    def write(self, turn_id: str, response: bytes, *, keep: float) -> None: ...
    def read(self, turn_id: str) -> tuple[bytes, bool] | None: ...
    def touch(self, turn_id: str, expected: bytes) -> bool: ...
    def remove(self, turn_id: str) -> None: ...


class Backgrounds:
    """The answers this worker writes in the background, and the notes of all workers'."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(
        self,
        turn_id: str,
        work: Callable[[], Awaitable[object]],
        *,
        running: bytes,
        failed: Callable[[LmctlError], bytes],
        most: int,
        keep: float,
    ) -> None:
        """Begin to write an answer that `running` tells of meanwhile. When the work fails `failed`
        makes what is told from then on, for `keep` seconds. Raises Busy with `most` under way.
        """
        if len(self._tasks) >= most:
            raise Busy(f"{most} answers are written in the background already")
        await asyncio.to_thread(self._notes.write, turn_id, running, keep=keep)

        async def whole() -> None:
            try:
                await self._watched(turn_id, asyncio.ensure_future(work()), running)
                await asyncio.to_thread(self._notes.remove, turn_id)
            except asyncio.CancelledError:
                _log.info("called off", turn=turn_id)
            except LmctlError as error:
                _log.warning("background answer failed", turn=turn_id, why=str(error))
                await asyncio.to_thread(self._notes.write, turn_id, failed(error), keep=keep)
            except Exception:  # noqa: BLE001 - nobody waits who could be told otherwise
                _log.exception("internal error in the background", turn=turn_id)
                defect = LmctlError("internal error", hint="the log has it")
                await asyncio.to_thread(self._notes.write, turn_id, failed(defect), keep=keep)

        task = self._tasks[turn_id] = asyncio.create_task(whole())
        task.add_done_callback(lambda _: self._tasks.pop(turn_id))

    async def read(self, turn_id: str) -> tuple[bytes, bool] | None:
        """Return what is told of an answer, and whether whoever writes it is alive; None for none."""
        return await asyncio.to_thread(self._notes.read, turn_id)

    async def forget(self, turn_id: str) -> bool:
        """Call an answer off and tell nothing of it any more; say whether there was one."""
        there = await self.read(turn_id) is not None
        await asyncio.to_thread(self._notes.remove, turn_id)
        if (task := self._tasks.get(turn_id)) is not None:
            task.cancel()
        return there

    async def call_off(self, turn_id: str, cancelled: bytes, *, keep: float) -> None:
        """Stop writing an answer, whichever worker does; `cancelled` is told from now on."""
        await asyncio.to_thread(self._notes.write, turn_id, cancelled, keep=keep)
        if (task := self._tasks.get(turn_id)) is not None:
            task.cancel()

    async def _watched(self, turn_id: str, working: asyncio.Future[object], running: bytes) -> None:
        """Return when the work is done. Raises what it does, and CancelledError once called off."""
        try:
            while not (await asyncio.wait({working}, timeout=_LOOK))[0]:
                if not await asyncio.to_thread(self._notes.touch, turn_id, running):
                    raise asyncio.CancelledError
            working.result()
        finally:
            working.cancel()
            await asyncio.wait({working})
