"""What keeps this box from serving all it should, and why."""

import asyncio
from dataclasses import dataclass

from lmctl.planning.surface import InstanceHealth
from lmctl.serving.snapshot import Snapshot

_KNOCK = 1.0  # seconds a unix socket may take to accept


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A resident instance that does not serve."""

    instance: str
    reason: str


async def shortfalls(snapshot: Snapshot) -> list[Shortfall]:
    """Return the resident instances that are not ready by the control plane's word, or whose
    runner takes no connection now; empty means ready.

    Before the control plane has ever written its files the box is not ready either.
    """
    if not snapshot.written_at:
        return [Shortfall("*", "the control plane has not written a surface yet")]
    reports = {each.name: each for each in snapshot.health.instances}
    sockets = {route.instance: route.socket for route in snapshot.surface.routes}
    reasons = await asyncio.gather(
        *(_reason(reports.get(name), sockets.get(name)) for name in snapshot.health.resident)
    )
    pairs = zip(snapshot.health.resident, reasons, strict=True)
    return [Shortfall(name, reason) for name, reason in pairs if reason is not None]


async def _reason(report: InstanceHealth | None, socket: str | None) -> str | None:
    if report is None:
        return "the control plane has not reported on it yet"
    if report.phase != "ready":
        return f"{report.phase}: {report.reason}" if report.reason else report.phase
    if socket is None:
        return "no route leads to it"
    try:
        async with asyncio.timeout(_KNOCK):
            _, writer = await asyncio.open_unix_connection(socket)
    except (OSError, TimeoutError) as error:
        return f"its runner takes no connection ({type(error).__name__})"
    writer.close()
    return None
