"""Which loads there is memory for, and at whose expense: shared out over a whole box at once.

The most important instance is served first. It takes what is free; then what is about to be free
because something ends anyway; then the place of its own old runner; then that of less important
instances. What runs keeps its place otherwise. A load that was given its memory counts as running
from then on, so the same bytes are never given away twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.fit.budget import Budget, budget
from lmctl.planning.fit.need import candidate, tenant
from lmctl.planning.fit.placing import Tenant, Verdict, place, surge_fits
from lmctl.planning.fit.shrink import least_context, shrunk
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.plan import UnloadInstance
from lmctl.planning.rollout import Rollout, Room, without_rooms

_NEVER_GOES = 2**31


def rollouts(desired: DesiredState, observed: ObservedState) -> dict[str, Rollout]:
    """Return how each wanted instance stands, by name, with the memory it is given."""
    found = without_rooms(desired, observed)
    if observed.host is None:
        return {name: replace(each, room=_unknown(each)) for name, each in found.items()}
    tenants = _Tenants(desired, observed, budget(observed.host, desired.guardrails))
    box = _Box(tenants, found)
    order = sorted(desired.instances, key=lambda each: (-each.priority, each.name))
    rooms = {want.name: box.admit(found[want.name]) for want in order}
    return {name: replace(each, room=rooms[name]) for name, each in found.items()}


def _unknown(rollout: Rollout) -> Room:
    """Return what is given where nobody knows sizes: what is being loaded stays where it is."""
    if rollout.serving is None:
        return Room()
    return Room(surge=rollout.keep is not None or rollout.want.strategy == "surge")


class _Tenants:
    """What runs and what should, as memory: from the weights' headers and from what was measured."""

    def __init__(self, desired: DesiredState, observed: ObservedState, size: Budget) -> None:
        self.budget = size
        self.runners = observed.runners
        self._observed = observed
        self._keys = {each.model: each.key for each in desired.weights}

    def wanted(self, want: WantedInstance) -> Tenant | None:
        """Return what an instance will take, None while nobody can say."""
        return candidate(want, self._observed)

    def running(self, seen: SeenRunner, name: str, priority: int) -> Tenant:
        """Return what a runner takes: what was measured, or what it may still grow to."""
        key = self._keys.get(seen.model, "")
        return tenant(seen, self._observed, key=key, name=name, priority=priority)


@dataclass(frozen=True, slots=True)
class _Offer:
    """Room for a candidate: the runners that are gone by then, and the instances that make way."""

    room: Room
    gone: frozenset[str]
    evicts: tuple[str, ...] = ()


def _will_be_tried(rollout: Rollout, room: Room) -> bool:
    """Say whether a load will really use its room: not if it failed and waits for an edit."""
    failed = rollout.failed
    return failed is None or (room.surge and failed.failure is not FailureKind.CONFIG)


def _only_beside(rollout: Rollout) -> bool:
    """Say whether what serves must not be ended before its replacement is there."""
    return rollout.serving is not None and rollout.want.strategy == "surge"


def _own(rollout: Rollout) -> frozenset[str]:
    return frozenset(each.uid for each in rollout.others if each.alive)


class _Box:
    """The memory of a box while it is shared out: who is there, and who is about to leave."""

    def __init__(self, tenants: _Tenants, found: Mapping[str, Rollout]) -> None:
        self._tenants = tenants
        self._budget = tenants.budget
        self._there: dict[str, Tenant] = {}
        self._leaving: dict[str, str] = {}  # the key of the step that ends it, by uid
        self._evicted: dict[str, str] = {}
        owners = {
            seen.uid: each
            for each in found.values()
            for seen in (*each.others, *([each.keep] if each.keep else []))
        }
        for seen in sorted(tenants.runners, key=lambda each: each.uid):
            if seen.alive:
                owner = owners.get(seen.uid)
                self._enter(seen, owner)
                if owner is None:
                    self._leaving[seen.uid] = UnloadInstance(seen.name, seen.uid, 0.0).key

    def _enter(self, seen: SeenRunner, owner: Rollout | None) -> None:
        name, priority = (owner.want.name, _NEVER_GOES) if owner else (seen.name, _NEVER_GOES)
        if owner is not None and owner.keep is seen and owner.proven and owner.serving is None:
            priority = owner.want.priority
        self._there[seen.uid] = self._tenants.running(seen, name, priority)

    def admit(self, rollout: Rollout) -> Room:
        """Return what an instance is given, and note it as taken."""
        want = rollout.want
        if want.name in self._evicted:
            return self._make_way(rollout, self._evicted[want.name])
        if rollout.keep is not None:
            self._all_leave(rollout, rollout.others)
            return Room(surge=rollout.serving is not None)
        candidate = self._tenants.wanted(want)
        if candidate is None:
            return _unknown(rollout)
        self._all_leave(rollout, [each for each in rollout.others if each is not rollout.serving])
        offer = self._beside(rollout, candidate) or self._instead(rollout, candidate)
        if offer is None and want.load.fit and want.memory is None:
            candidate, offer = self._shrunk(rollout, candidate)
        if offer is not None and _will_be_tried(rollout, offer.room):
            self._take(rollout, candidate, offer)
        elif rollout.before is not None and not rollout.before.alive:
            back = self._tenants.running(rollout.before, want.name, _NEVER_GOES)
            self._there[rollout.before.uid] = back
        return offer.room if offer is not None else self._too_much(rollout, candidate)

    def _take(self, rollout: Rollout, candidate: Tenant, offer: _Offer) -> None:
        for uid in offer.gone:
            self._there.pop(uid, None)
            self._leaving.pop(uid, None)
        self._evicted |= dict.fromkeys(offer.evicts, candidate.name)
        self._there[f"load {candidate.name}"] = candidate
        if offer.room.surge and rollout.serving is not None:
            self._all_leave(rollout, [rollout.serving])

    def _beside(self, rollout: Rollout, candidate: Tenant) -> _Offer | None:
        """Offer room beside the runner that serves, if there is one and it is to stay meanwhile."""
        if rollout.serving is None or rollout.want.strategy == "drain":
            return None
        offer = self._after_the_leaving(candidate, frozenset())
        return replace(offer, room=replace(offer.room, surge=True)) if offer else None

    def _instead(self, rollout: Rollout, candidate: Tenant) -> _Offer | None:
        """Offer the place of the instance's own runners, or of less important ones."""
        found = self._in_its_place(rollout, candidate)
        if found is not None or _only_beside(rollout):
            return found
        return self._evict(candidate, _own(rollout))

    def _in_its_place(self, rollout: Rollout, candidate: Tenant) -> _Offer | None:
        """Offer the place of the instance's own runners."""
        if _only_beside(rollout):
            return None
        return self._after_the_leaving(candidate, _own(rollout))

    def _shrunk(self, rollout: Rollout, whole: Tenant) -> tuple[Tenant, _Offer | None]:
        """Offer room for less than what is wanted, at nobody's expense."""

        def tried(load: LoadSettings) -> tuple[Tenant, _Offer | None]:
            less = self._tenants.wanted(replace(rollout.want, load=load)) or whole
            return less, self._beside(rollout, less) or self._in_its_place(rollout, less)

        load = shrunk(rollout.want.load, lambda load: tried(load)[1] is not None)
        candidate, offer = tried(load) if load is not None else (whole, None)
        if offer is None:
            return whole, None
        return candidate, replace(offer, room=replace(offer.room, load=load))

    def _after_the_leaving(self, candidate: Tenant, own: frozenset[str]) -> _Offer | None:
        """Offer room without `own` runners: at once, or when as few as possible of the leaving left."""
        leaving = [uid for uid in self._leaving if uid not in own]
        for count in range(len(leaving) + 1):
            gone = own | set(leaving[:count])
            verdict = self._fits(candidate, gone)
            if verdict.fits:
                after = tuple(self._leaving[uid] for uid in leaving[:count])
                return _Offer(Room(after=after, verdict=verdict), gone)
        return None

    def _evict(self, candidate: Tenant, own: frozenset[str]) -> _Offer | None:
        """Offer the place of running instances of a lower priority, of as few as possible."""
        running = [each for uid, each in self._there.items() if uid not in own]
        (placed,) = place((candidate,), running, self._budget)
        victims = {
            uid: each.name
            for uid, each in sorted(self._there.items())
            if each.name in placed.evicts
        }
        if not victims:
            return None
        after = tuple(UnloadInstance(name, uid, 0.0).key for uid, name in victims.items())
        gone = own | set(victims)
        room = Room(after=after, verdict=self._fits(candidate, gone))
        return _Offer(room, gone, tuple(victims.values()))

    def _make_way(self, rollout: Rollout, winner: str) -> Room:
        candidate = self._tenants.wanted(rollout.want)
        verdict = self._fits(candidate, frozenset()) if candidate is not None else None
        held = f"makes way for instance/{winner}, which has a higher priority"
        return Room(held=held, evicted_for=winner, verdict=verdict)

    def _too_much(self, rollout: Rollout, candidate: Tenant) -> Room:
        """Say in words why there is no room, whatever is done."""
        beside = rollout.serving is not None and rollout.want.strategy == "surge"
        own = frozenset() if beside else frozenset(each.uid for each in rollout.others)
        verdict = self._fits(candidate, own)
        what = "does not fit beside the runner it replaces" if beside else "does not fit"
        if rollout.want.load.fit and rollout.want.memory is None:
            least = least_context(rollout.want.load)
            what = f"{what}, nor with a context of {least} tokens for one request at a time"
        return Room(held=f"{what}: {verdict.words}", verdict=verdict)

    def _fits(self, candidate: Tenant, gone: frozenset[str]) -> Verdict:
        there = [each for uid, each in self._there.items() if uid not in gone]
        return surge_fits(candidate, there, self._budget)

    def _all_leave(self, rollout: Rollout, runners: Iterable[SeenRunner]) -> None:
        for each in runners:
            if each.uid in self._there:
                key = UnloadInstance(rollout.want.name, each.uid, 0.0).key
                self._leaving[each.uid] = key
