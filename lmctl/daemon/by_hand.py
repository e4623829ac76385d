"""What is loaded and unloaded on request: remembered, taken over by files, ended when idle."""

import asyncio
from collections.abc import Callable, Iterable

from lmctl.adapters.manual import ManualLoads
from lmctl.base.errors import Refused
from lmctl.base.quantities import format_duration
from lmctl.base.spec import Phase
from lmctl.planning.desired import DesiredState, Leaving, WantedInstance
from lmctl.planning.loading import Decision, Wish, decide, to_unload
from lmctl.planning.observed import ObservedState
from lmctl.planning.turn import Turn

Tell = Callable[[str, str, str], object]


class ByHand:
    """Keeps the loads of one box. `tell` writes an event: subject, reason, message; `ring` asks for
    a turn.
    """

    def __init__(
        self,
        loads: ManualLoads,
        *,
        clock: Callable[[], float],
        tell: Tell,
        ring: Callable[[], None],
    ) -> None:
        self._loads = loads
        self._clock = clock
        self._tell = tell
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def woke(self, observed: ObservedState) -> None:
        """Forget what requests had loaded and no process holds any more: the box was down, and
        nobody asks for it now.
        """
        for each in self._loads.read():
            alive = any(seen.alive for seen in observed.runners_of(each.name))
            if each.owner == "jit" and not alive:
                self._loads.forget(each.name)

    def load(self, wish: Wish, turn: Turn, local: Iterable[str]) -> Decision:
        """Remember what is to be loaded, unless it is there; see `decide` for what it raises."""
        desired = _wanted(turn)
        known = {each.model for each in desired.weights} | set(local)
        decision = decide(wish, desired, sorted(known), now=self._clock())
        if decision.new is not None:
            self._loads.keep(decision.new)
            ttl, by = decision.new.ttl, "by hand" if wish.owner == "manual" else "by a request"
            until = f", until it is idle for {format_duration(ttl)}" if ttl is not None else ""
            message = f"{decision.new.model} as {decision.identifier}, {by}{until}"
            self._tell(f"instance/{decision.name}", "Requested", message)
        return decision

    def unload(self, what: str, turn: Turn) -> WantedInstance:
        """End what was loaded on request; see `to_unload` for what it raises."""
        found = to_unload(what, _wanted(turn))
        self.release(found.name, "Released", Leaving("unloaded by hand"))
        return found

    def release(self, name: str, event: str, leaving: Leaving) -> None:
        """End a load, and tell why; does nothing where it is over already."""
        if self._loads.release(name, leaving):
            self._tell(f"instance/{name}", event, leaving.reason)

    def turn(self, turn: Turn) -> None:
        """Forget what files declare now, end what was idle for too long; come back in time."""
        if turn.desired is None:
            return
        self._taken_over(turn.desired, turn.observed)
        self._gone(turn.desired, turn.observed)
        ends = [
            end
            for each in turn.desired.instances
            if each.owner != "fleet" and (end := self._idle_end(each, turn.observed)) is not None
        ]
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(ends), self._ring) if ends else None

    def stop(self) -> None:
        """Come back no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _taken_over(self, desired: DesiredState, observed: ObservedState) -> None:
        """Forget a load once its process goes by the declared name: until then that is how the
        process is found.
        """
        places = {each.name: each.places.get("", "") for each in desired.instances}
        for loaded, declared in desired.taken_over.items():
            if loaded != declared and observed.runners_of(loaded):
                continue
            if self._loads.forget(loaded):
                where = places.get(declared) or "a file"
                before = f", which was loaded by hand as {loaded}" if loaded != declared else ""
                message = f"declared at {where} now{before}: it belongs to the fleet"
                self._tell(f"instance/{declared}", "TakenOver", message)

    def _gone(self, desired: DesiredState, observed: ObservedState) -> None:
        """Forget what is over once no process of it is left."""
        for name in desired.leaving:
            if not observed.runners_of(name):
                self._loads.forget(name)

    def _idle_end(self, want: WantedInstance, observed: ObservedState) -> float | None:
        """Return the seconds until its time to live is over; None where that does not run."""
        seen = next(iter(observed.runners_of(want.name)), None)
        if want.ttl is None or seen is None or seen.phase is not Phase.READY:
            return None
        if seen.running or seen.queued:
            return want.ttl
        if seen.idle < want.ttl:
            return want.ttl - seen.idle
        message = f"not used for {format_duration(seen.idle)}, its time to live is over"
        self.release(want.name, "Expired", Leaving(message))
        return 0.0


def _wanted(turn: Turn) -> DesiredState:
    if turn.desired is None:
        raise Refused(
            "nothing is known to be declared yet, so nothing can be loaded beside it",
            hint="`lmctl apply DIR` first",
        )
    return turn.desired
