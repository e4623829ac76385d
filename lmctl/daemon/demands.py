"""Loads what requests ask for: one at a time, at the cost of the one before where so declared."""

import asyncio
from typing import Any, Final

from lmctl.adapters import runner_client
from lmctl.base.errors import EngineFailed, LmctlError, Refused
from lmctl.base.spec import Phase
from lmctl.daemon.box import Box
from lmctl.planning.conditions import State
from lmctl.planning.desired import DesiredState, Leaving, WantedInstance
from lmctl.planning.loading import Decision, Wish, decide
from lmctl.planning.on_demand import in_the_way
from lmctl.planning.report import ObjectView

OVER: Final = (State.READY, State.RETRYING, State.STALLED, State.SUSPENDED)
_LOOK = 1.0  # seconds between two looks although nothing was told
_ASK = 0.1  # seconds between two questions to a runner that is waited for
_PATIENCE = 1.0  # seconds a runner has to be asked something before it may go unused


class Demands:
    """What gateways ask for. Many may ask for the same: it is loaded once, and all are answered."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._one = asyncio.Lock()  # fair: who asked first is loaded first

    async def load(
        self, model: str, identifier: str, ttl: float | None, load: dict[str, Any] | None = None
    ) -> str:
        """Return the name of the instance once it serves. `load` are settings for what no file
        declares.

        Raises Refused where requests may not load, what `decide` does, and EngineFailed saying why
        it did not come up; then it is over, and the next request tries again.
        """
        wish = Wish(model, identifier, load=load, ttl=ttl, owner="jit")
        if (new := self._decide(wish).new) is not None:
            await self._stored(new.model)
            async with self._one:
                await self._claim(wish)
        name = self._decide(wish).name
        view = await until_over(self._box, f"instance/{name}")
        if view is not None and view.ready:
            return name
        why = view.message if view is not None else "it was unloaded meanwhile"
        self._box.by_hand.release(name, "NotLoaded", Leaving(f"it could not be loaded: {why}"))
        self._box.ring()
        raise EngineFailed(f"instance/{name} did not load: {why}")

    async def _stored(self, model: str) -> None:
        """Return once the weights are here: nothing makes way for what cannot be loaded yet.

        Raises EngineFailed where they do not come soon.
        """
        key = model.partition("@")[0]
        if self._box.models.has(key):
            return
        view = await until_over(self._box, f"model/{key}")
        if view is not None and not view.ready:
            raise EngineFailed(f"the weights of {model} are not here: {view.message}")

    async def _claim(self, wish: Wish) -> None:
        """Have it loaded, after those it takes the place of have answered whom they were loaded for."""
        decision = self._decide(wish)
        if decision.new is None:
            return
        model = decision.new.model
        for each in self._in_the_way(decision.name, model):
            await self._served(each)
        turn = self._box.reconciler.now()
        for each in self._in_the_way(decision.name, model):
            reason = f"makes way for instance/{decision.name}: only the last one asked for stays"
            self._box.by_hand.release(each.name, "Evicted", Leaving(reason, makes_way=True))
        self._box.by_hand.load(wish, turn, self._box.eyes.host().local_models)
        await self._box.turned()

    async def _served(self, want: WantedInstance) -> None:
        """Return once an instance may go: it has been asked something, nobody did, or it is in trouble.

        Else two clients that ask for two models could take each other's away for ever.
        """
        while (view := view_of(self._box, f"instance/{want.name}")) is not None:
            if view.state in OVER and view.state is not State.READY:
                return
            try:
                status = await runner_client.status(want.socket, timeout=_LOOK)
            except LmctlError:
                status = None  # it is not there yet
            if status is not None and status.phase is Phase.READY:
                asked = status.requests or status.running or status.queued
                if asked or status.idle >= _PATIENCE:
                    return
            await asyncio.sleep(_ASK)

    def _in_the_way(self, name: str, model: str) -> list[WantedInstance]:
        return in_the_way(_desired(self._box), name, model, self._box.models)

    def _decide(self, wish: Wish) -> Decision:
        desired = _desired(self._box)
        if not desired.on_demand.enabled:
            raise Refused("requests load nothing here", hint="the Server says `jit.enabled: false`")
        known = {each.model for each in desired.weights} | set(self._box.eyes.host().local_models)
        return decide(wish, desired, sorted(known), now=0.0)


def view_of(box: Box, key: str) -> ObjectView | None:
    """Return how an object is now, None where there is none."""
    return next((each for each in box.status().objects if each.key == key), None)


async def until_over(box: Box, key: str) -> ObjectView | None:
    """Return an object once nothing more will happen soon, or None once it is there no more."""
    while (view := view_of(box, key)) is not None and view.state not in OVER:
        await box.changes.after(box.changes.number, seconds=_LOOK)
    return view


def _desired(box: Box) -> DesiredState:
    desired = box.reconciler.now().desired
    if desired is None:
        raise Refused("nothing is known to be declared yet", hint="`lmctl apply DIR` first")
    return desired
