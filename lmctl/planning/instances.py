"""Rule: every declared instance has exactly one runner that runs what is declared."""

from collections.abc import Iterator

from lmctl.base.spec import LoadSettings, Phase
from lmctl.planning import fit
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.plan import (
    Disruption,
    EnsureRuntime,
    FetchWeights,
    LoadInstance,
    Planned,
    PublishSurface,
    UnloadInstance,
    VerifyWeights,
)
from lmctl.planning.surfaces import surface_differs
from lmctl.planning.weights_values import WeightsState


def instances(desired: DesiredState, observed: ObservedState) -> Iterator[Planned]:
    """Plan loads, replacements and unloads."""
    for want in desired.instances:
        yield from _bring_up(want, desired, observed)
    declared = {each.name for each in desired.instances}
    for seen in observed.runners:
        if seen.name not in declared:
            yield _unload(seen, because="no longer declared", after=_publish(desired, observed))


def _bring_up(
    want: WantedInstance, desired: DesiredState, observed: ObservedState
) -> Iterator[Planned]:
    found = observed.runners_of(want.name)
    keep = next((each for each in found if _runs_what_is_wanted(each, want, observed)), None)
    if keep is not None and keep.phase is Phase.READY:
        for extra in found:
            if extra is not keep:
                yield _unload(extra, because=_why_extra(extra))
        return
    first = _prerequisites(want, desired, observed)
    unloads = []
    for seen in found:
        if seen is keep:
            continue
        if seen.phase is Phase.FAILED:
            if seen.spec_digest != want.spec_digest:  # else the load takes its place
                yield _unload(seen, because=_why_extra(seen))
            continue
        because = _why_replace(seen, want)
        unload = _unload(
            seen, because, after=first, disruption=Disruption.PARK, max_drain=want.max_drain
        )
        unloads.append(unload.key)
        yield unload
    old = found[0] if found else None
    yield Planned(
        LoadInstance(want),
        because=_why_load(old, keep, want),
        after=(*first, *unloads),
        memory=fit.memory(observed.facts.get(want.weights.key), want.load),
        disruption=Disruption.PARK if unloads else Disruption.NONE,
    )


def _runs_what_is_wanted(seen: SeenRunner, want: WantedInstance, observed: ObservedState) -> bool:
    if seen.spec_digest != want.spec_digest or seen.phase in (Phase.FAILED, Phase.DRAINING):
        return False
    stored = observed.seen_weights(want.weights.key).state is WeightsState.STORED
    if seen.phase is Phase.READY and stored:
        return seen.weights == observed.sha256_of(want.weights.key)
    return True


def _prerequisites(
    want: WantedInstance, desired: DesiredState, observed: ObservedState
) -> tuple[str, ...]:
    """Return the keys of the steps without which a load cannot begin."""
    state = observed.seen_weights(want.weights.key).state
    keys = []
    if state is WeightsState.ABSENT:
        keys.append(FetchWeights(want.weights).key)
    elif state is WeightsState.SUSPECT:
        keys.append(VerifyWeights(want.weights).key)
    keys += [
        EnsureRuntime(each).key
        for each in desired.runtimes
        if each.name == want.runtime and each.name not in observed.runtimes
    ]
    return (*keys, *_publish(desired, observed))


def _publish(desired: DesiredState, observed: ObservedState) -> tuple[str, ...]:
    """Routes change before a runner drains, so that its new requests are parked, not refused."""
    if desired.surface is None or not surface_differs(desired, observed):
        return ()
    return (PublishSurface(desired.surface).key,)


def _unload(
    seen: SeenRunner,
    because: str,
    *,
    after: tuple[str, ...] = (),
    disruption: Disruption = Disruption.OUTAGE,
    max_drain: float | None = None,
) -> Planned:
    dead = seen.phase is Phase.FAILED
    return Planned(
        UnloadInstance(seen.name, seen.uid, seen.max_drain if max_drain is None else max_drain),
        because,
        after=after,
        memory=-seen.memory,
        disruption=Disruption.NONE if dead else disruption,
    )


def _why_extra(seen: SeenRunner) -> str:
    return "left by a dead runner" if seen.phase is Phase.FAILED else "a second runner of it"


def _why_replace(seen: SeenRunner, want: WantedInstance) -> str:
    if seen.phase is Phase.DRAINING:
        return "it is draining"
    if seen.spec_digest == want.spec_digest:
        return "it runs other weights than those on disk"
    return "; ".join(_changes(seen, want)) or "what it should run changed"


def _why_load(old: SeenRunner | None, keep: SeenRunner | None, want: WantedInstance) -> str:
    if keep is not None:
        return f"loading, {keep.progress:.0%}"
    if old is None:
        return "declared and not loaded"
    if old.phase is Phase.FAILED:
        return f"its runner is gone: {old.reason or 'no reason given'}"
    return _why_replace(old, want)


def _changes(seen: SeenRunner | None, want: WantedInstance) -> Iterator[str]:
    if seen is None:
        return
    for name in LoadSettings.__struct_fields__:
        old, new = getattr(seen.load, name), getattr(want.load, name)
        if old != new:
            yield f"{name}: {_plain(old)} -> {_plain(new)}"


def _plain(value: object) -> str:
    return "default" if value is None else str(value)
