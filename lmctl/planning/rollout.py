"""How far an instance is on its way from the runner it has to the one it should have.

A replacement has two shapes. *Surge* loads the new runner beside the old one, proves it, sends new
requests to it and drains the old one: nobody waits, and a candidate that fails changes nothing.
*Drain* is for when both do not fit: once all is there for the new one, requests are sent where it
will be, and wait; the old one finishes and ends, the new one is loaded. When it fails, the old one
is brought back.

A runner that is loaded lets no client in before it is proven, in either shape.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from lmctl.base.digests import digest
from lmctl.base.spec import LoadSettings, Phase
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.fit.placing import Verdict
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.surface import ServedRoute, Surface
from lmctl.planning.weights_values import WeightsState

NO_CHECKS = digest(())


@dataclass(frozen=True, slots=True)
class Room:
    """How a load gets its memory: `surge` beside the runner it replaces; `after` are the steps that
    free what it takes. `held` says why there is none for it, `evicted_for` names a more important
    instance that takes its place. `verdict` has the numbers, None while something is not known.
    `load` are the settings it fits with, where those that are wanted need more than there is.
    """

    surge: bool = False
    after: tuple[str, ...] = ()
    held: str = ""
    evicted_for: str = ""
    verdict: Verdict | None = None
    load: LoadSettings | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """One wanted instance and the runners there are for it.

    `keep` runs what is wanted, `proven` says that it passed its checks; `serving` is another one
    that clients are sent to now; `others` are all but `keep`. `failed` is what is left of a
    candidate that did not come up when just this was wanted. `before` is the runner to go on with
    if there can be no other.
    """

    want: WantedInstance
    keep: SeenRunner | None
    proven: bool
    serving: SeenRunner | None
    others: tuple[SeenRunner, ...]
    failed: SeenRunner | None = None
    before: SeenRunner | None = None
    room: Room = Room()

    @property
    def runners(self) -> tuple[SeenRunner, ...]:
        """Return all there are for it."""
        return self.others if self.keep is None else (*self.others, self.keep)

    @property
    def surge(self) -> bool:
        return self.room.surge

    @property
    def fallback(self) -> SeenRunner | None:
        """Return the runner to go on with, where what is wanted cannot be."""
        stuck = self.room.held or (self.failed is not None and not self.surge)
        return self.before if stuck else None

    @property
    def routed(self) -> SeenRunner | None:
        """Return the runner that requests should be sent to now, None while it is not there yet."""
        if self.serving is not None:
            return self.serving  # until it is switched
        if self.fallback is not None and not self.proven:
            return self.fallback
        return self.keep


def without_rooms(desired: DesiredState, observed: ObservedState) -> dict[str, Rollout]:
    """Return how each wanted instance stands, by name, before memory is shared out."""
    names = {each.name for each in desired.instances}
    return {each.name: _rollout(each, observed, names) for each in desired.instances}


def checks_digest(want: WantedInstance) -> str:
    """Return what a runner has passed once it is proven for these checks."""
    return digest(want.checks) if want.checks else NO_CHECKS


def attempt_of(want: WantedInstance) -> str:
    """Return a name for trying just this: what failed once is tried again when it is another."""
    tried = (want.spec_digest, want.checks, want.operation, want.strategy, want.max_load)
    return digest(tried)


def published(
    surface: Surface | None, found: Mapping[str, Rollout], *, switch: str | None = None
) -> Surface | None:
    """Return what the gateway may be told now: everything declared, but each instance that is being
    replaced still at the runner that serves it. `switch` names one to send to its new runner.
    """
    if surface is None:
        return None
    routes = tuple(_routed(each, found, switch) for each in surface.routes)
    return msgspec.structs.replace(surface, routes=routes)


def left_alone(
    surface: Surface | None, seen: Surface | None, suspended: Collection[str]
) -> Surface | None:
    """Return a surface in which each suspended instance is served as it is now, whatever was
    edited; one that was not served before its suspension is not served.
    """
    if surface is None:
        return None
    others = tuple(each for each in surface.routes if not _is_suspended(each, suspended))
    names = {each.name for each in others}
    kept = tuple(
        each
        for each in (seen.routes if seen else ())
        if _is_suspended(each, suspended) and each.name not in names
    )
    routes = tuple(sorted((*others, *kept), key=lambda each: each.name)) if kept else others
    return msgspec.structs.replace(surface, routes=routes)


def with_orphans(
    surface: Surface | None, seen: Surface | None, orphans: frozenset[str]
) -> Surface | None:
    """Return a surface in which runners that nobody declares any more are reached as before, by
    their own names and by those that led to them.
    """
    if surface is None or seen is None or not orphans:
        return surface
    taken = {each.name for each in surface.routes}
    routes = [each for each in seen.routes if each.instance in orphans and each.name not in taken]
    served = {each.instance for each in (*surface.routes, *routes)}
    declared = {each.name for each in surface.aliases}
    aliases = [
        each
        for each in seen.aliases
        if each.name not in declared
        and served.issuperset(target.instance for target in each.targets)
        and not orphans.isdisjoint(target.instance for target in each.targets)
    ]
    return msgspec.structs.replace(
        surface,
        routes=tuple(sorted((*surface.routes, *routes), key=lambda each: each.name)),
        aliases=tuple(sorted((*surface.aliases, *aliases), key=lambda each: each.name)),
    )


def _is_suspended(route: ServedRoute, suspended: Collection[str]) -> bool:
    return f"instance/{route.instance}" in suspended


def _routed(route: ServedRoute, found: Mapping[str, Rollout], switch: str | None) -> ServedRoute:
    rollout = found.get(route.instance)
    if rollout is None:
        return route
    runner = rollout.keep if route.instance == switch else rollout.routed
    if runner is None or not runner.socket:
        return route  # where its runner will be
    model = runner.model or route.model
    return msgspec.structs.replace(
        route, socket=runner.socket, spec_digest=runner.spec_digest, model=model
    )


def _rollout(want: WantedInstance, observed: ObservedState, names: set[str]) -> Rollout:
    before = want.renamed_from if want.renamed_from not in names else None
    found = observed.runners_of(want.name, before)
    wanted = [each for each in found if _runs_what_is_wanted(each, want, observed)]
    keep = max(
        wanted, key=lambda each: (_proven(each, want), each.phase is Phase.READY), default=None
    )
    proven = keep is not None and _proven(keep, want)
    others = tuple(each for each in found if each is not keep)
    serving = _serving(others, observed, want)
    failed = next((each for each in others if _failed_now(each, want)), None)
    return Rollout(
        want=want,
        keep=keep,
        proven=proven,
        serving=serving,
        others=others,
        failed=failed,
        before=_before(others, want),
    )


def _proven(seen: SeenRunner, want: WantedInstance) -> bool:
    return seen.phase is Phase.READY and seen.proven == checks_digest(want)


def over_budget(seen: SeenRunner, want: WantedInstance) -> bool:
    """Say whether a runner uses more memory than its instance may; without a budget none does."""
    return want.memory is not None and seen.memory > want.memory


def to_recycle(seen: SeenRunner, want: WantedInstance) -> bool:
    """Say whether a runner is to be replaced for what it has gathered: it is idle, and it was within
    its budget once, so that a new one is too.
    """
    idle = seen.phase is Phase.READY and not seen.running and not seen.queued
    fitted = want.memory is not None and 0 < seen.memory_loaded <= want.memory
    return want.recycle and idle and fitted and over_budget(seen, want)


def _runs_what_is_wanted(seen: SeenRunner, want: WantedInstance, observed: ObservedState) -> bool:
    if seen.spec_digest != want.spec_digest or not seen.alive or seen.phase is Phase.DRAINING:
        return False
    if seen.hung or seen.spoiled or to_recycle(seen, want):
        return False
    stored = all(
        observed.seen_weights(each.key).state is WeightsState.STORED for each in want.all_weights
    )
    if seen.phase in (Phase.READY, Phase.PROVING) and stored:
        return seen.weights == observed.sha256_of_all(want.all_weights)
    return True


def _serving(
    others: tuple[SeenRunner, ...], observed: ObservedState, want: WantedInstance
) -> SeenRunner | None:
    """Return the ready runner of another spec that the gateway's routes lead to."""
    if observed.surface is None:
        return None
    names = (want.name, want.renamed_from)
    sockets = {each.socket for each in observed.surface.routes if each.instance in names}
    return next(
        (
            each
            for each in others
            if each.phase is Phase.READY
            and not each.hung
            and each.socket in sockets
            and each.spec_digest != want.spec_digest
        ),
        None,
    )


def _failed_now(seen: SeenRunner, want: WantedInstance) -> bool:
    """Say whether this is what is left of a candidate that never came up, and would not now."""
    return (
        seen.phase is Phase.FAILED
        and not seen.retired
        and not seen.proven
        and seen.spec_digest == want.spec_digest
        and seen.attempt == attempt_of(want)
    )


def _before(others: tuple[SeenRunner, ...], want: WantedInstance) -> SeenRunner | None:
    """Return the runner there was before, running or ended to make room."""
    proven = [each for each in others if each.proven and each.spec_digest != want.spec_digest]
    return next((each for each in proven if each.alive or each.retired), None)
