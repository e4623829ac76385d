"""How long loaded instances may go on unasked, by what their runners say."""

import asyncio
from collections.abc import Iterable

from lmctl.adapters.runner_client import status
from lmctl.base.errors import LmctlError
from lmctl.planning.known_models import ModelInstance
from lmctl.planning.surface import Surface

_PATIENCE = 1.0  # seconds a runner may take to say how it is


async def remaining_ttl(surface: Surface, instances: Iterable[ModelInstance]) -> dict[str, float]:
    """Return by name after how many seconds without a request each is unloaded; those that never
    are, or whose runner does not say, are left out.
    """
    sockets = {route.instance: route.socket for route in surface.routes}
    timed = [each for each in instances if each.loaded and each.ttl is not None]
    left = await asyncio.gather(*(_left(each, sockets.get(each.name)) for each in timed))
    pairs = zip(timed, left, strict=True)
    return {each.name: seconds for each, seconds in pairs if seconds is not None}


async def _left(instance: ModelInstance, socket: str | None) -> float | None:
    if socket is None or instance.ttl is None:
        return None
    try:
        idle = (await status(socket, timeout=_PATIENCE)).idle
    except LmctlError:
        return None
    return max(0.0, instance.ttl - idle)
