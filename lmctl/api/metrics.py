"""GET /metrics: what all workers counted, what runners say of themselves, and the daemon's metrics.

Whoever does not answer soon is left out: a scrape never waits for long, no request waits for a
scrape, and asking a runner how it is is no request to it.
"""

import asyncio

from falcon.asgi import Request, Response

from lmctl.adapters import runner_client
from lmctl.adapters.metrics.making import CONTENT_TYPE
from lmctl.adapters.metrics.runners import control_plane_text, runners_text
from lmctl.api.control import ask_daemon
from lmctl.base.errors import LmctlError
from lmctl.base.spec import RunnerStatus
from lmctl.planning.surface import Surface
from lmctl.serving.gateway import Gateway

DEADLINE = 1.0  # seconds that the daemon and each runner may take


class Metrics:
    """The endpoint."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response) -> None:
        surface = self._gateway.snapshot().surface
        own, runners, control = await asyncio.gather(
            asyncio.to_thread(self._gateway.metrics.text),
            _runners(surface),
            ask_daemon(surface.control_socket, "/metrics", seconds=DEADLINE),
        )
        up = control_plane_text(up=control is not None)
        resp.content_type = CONTENT_TYPE
        resp.data = b"".join([own, runners_text(runners), up, control or b""])


async def _runners(surface: Surface) -> dict[str, RunnerStatus | None]:
    sockets = {each.instance: each.socket for each in surface.routes}
    found = await asyncio.gather(*map(_status, sockets.values()))
    return dict(zip(sockets, found, strict=True))


async def _status(socket: str) -> RunnerStatus | None:
    try:
        return await runner_client.status(socket, timeout=DEADLINE)
    except LmctlError:
        return None
