"""Rings when something changed that the box is made of: manifests, weights, runtimes, what the
gateway was told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import structlog

from lmctl.adapters import folder_bells
from lmctl.adapters.home import Home
from lmctl.base.errors import LmctlError
from lmctl.daemon.box import Box

log = structlog.get_logger("lmctl.daemon")

Bells = Callable[[], AsyncIterator[None]]


async def ring(box: Box) -> None:
    """Ring for every change, for ever. When other folders are followed the watch starts anew."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_ring_for(box, lambda: _state(box.home)))
        await _follow(box)


async def _follow(box: Box) -> None:
    while True:
        roots = box.followed.roots()
        watched = [Path(each) for each in (*roots, str(box.home.root / "models"))]
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_ring_for(box, lambda: folder_bells.bells(watched)))  # noqa: B023
            while box.followed.roots() == roots and not watching.done():
                await box.changes.after(box.changes.number, seconds=5.0)
            watching.cancel()


async def _ring_for(box: Box, bells: Bells) -> None:
    """Pass these bells on; a watch that breaks is made anew, and the resync covers the gap."""
    while True:
        try:
            async for _ in bells():
                box.ring()
        except (OSError, RuntimeError, LmctlError) as error:
            log.warning("cannot watch folders", why=str(error))
        await asyncio.sleep(box.periods.resync)
        box.ring()


def _state(home: Home) -> AsyncIterator[None]:
    """Ring for what only lmctl should write, and others may."""
    folders = [home.root / name for name in ("blobs", "weights", "runtimes")]
    files = [home.run / name for name in ("surface.json", "health.json", "gateway.json")]
    return folder_bells.state_bells(folders, files)
