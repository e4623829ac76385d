"""The part of the control API by which people load and unload beside what files declare."""

import asyncio
from typing import Any

import msgspec
from falcon.asgi import Request, Response

from lmctl.base.errors import EngineFailed, NotReady
from lmctl.daemon.box import TURN_DEADLINE, Box
from lmctl.daemon.control_asked import asked
from lmctl.daemon.demands import Demands, until_over, view_of
from lmctl.planning.desired import WantedInstance
from lmctl.planning.loading import Decision, Wish
from lmctl.planning.manual_loads import manifest_of
from lmctl.planning.report import ObjectView

_LOOK = 1.0  # seconds between two looks although nothing was told


class Load(msgspec.Struct, frozen=True):
    """What is asked: a model, the id for clients, settings as an Instance has them, seconds of idle
    time after which it is unloaded, and whether to answer only once that is over. `on_demand`: a
    client's request asks, so it stays only while it is used.
    """

    model: str
    identifier: str = ""
    runtime: str = ""
    load: dict[str, Any] = {}
    ttl: float | None = None
    wait: bool = False
    on_demand: bool = False


class InstancesResource:
    """Load something."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._demands = Demands(box)

    async def on_post(self, req: Request, resp: Response) -> None:
        wish = await asked(req, Load)
        if wish.on_demand:
            name = await self._demands.load(wish.model, wish.identifier, wish.ttl, wish.load)
            resp.media = {"name": name}
            return
        decision = await _load(
            self._box, Wish(wish.model, wish.identifier, wish.runtime, wish.load, wish.ttl)
        )
        view = view_of(self._box, f"instance/{decision.name}")
        if wish.wait:
            view = await until_over(self._box, f"instance/{decision.name}")
            if view is None or not view.ready:
                why = view.message if view else "it is gone again"
                raise EngineFailed(f"instance/{decision.name} did not load: {why}")
        resp.media = _told(decision, view)


class InstanceResource:
    """One instance."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_delete(self, _req: Request, resp: Response, name: str) -> None:
        """Unload it; answered once it is gone."""
        gone = await _unload(self._box, name)
        resp.media = {"name": gone.name, "identifier": gone.identifier}


def _told(decision: Decision, view: ObjectView | None) -> dict[str, Any]:
    return {
        "name": decision.name,
        "identifier": decision.identifier,
        "new": decision.new is not None,
        "object": view,
        "manifest": manifest_of(decision.new) if decision.new is not None else None,
    }


async def _load(box: Box, wish: Wish) -> Decision:
    """Load something beside what files declare; see ByHand.load. Returns once it is planned."""
    decision = box.by_hand.load(wish, box.reconciler.now(), box.eyes.host().local_models)
    if decision.new is not None:
        await box.fresh()
    return decision


async def _unload(box: Box, what: str) -> WantedInstance:
    """Unload what was loaded by hand, and return once it is gone; see ByHand.unload.

    Raises NotReady when draining takes too long.
    """
    clock = asyncio.get_running_loop().time
    found = box.by_hand.unload(what, box.reconciler.now())
    await box.fresh()
    patience = clock() + found.max_drain + TURN_DEADLINE
    while box.reconciler.now().observed.runners_of(found.name):
        if (left := patience - clock()) <= 0:
            raise NotReady(f"instance/{found.name} is still being drained")
        await box.changes.after(box.changes.number, seconds=min(left, _LOOK))
    return found
