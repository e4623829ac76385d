"""Rules: one gateway listens where declared, and knows the declared routes and settings."""

from collections.abc import Iterator

import msgspec

from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import Disruption, Planned, PublishSurface, StartGateway, StopGateway
from lmctl.planning.surface import ServedRoute, Surface


def surfaces(desired: DesiredState, observed: ObservedState) -> Iterator[Planned]:
    """Plan the gateway's process and what it is told."""
    publish: tuple[str, ...] = ()
    if desired.surface is not None and surface_differs(desired, observed):
        changes = tuple(_changes(observed.surface, desired.surface))
        step = PublishSurface(desired.surface)
        publish = (step.key,)
        because = "first routes" if observed.surface is None else "routes or settings changed"
        yield Planned(step, because, disruption=Disruption.HOT, changes=changes)
    seen, want = observed.gateway, desired.gateway
    if seen is not None and (want is None or seen.digest != want.digest):
        because = "no longer declared" if want is None else "where it listens changed"
        yield Planned(StopGateway(seen.pid, want), because, disruption=Disruption.OUTAGE)
    if want is not None and (seen is None or seen.digest != want.digest):
        after = () if seen is None else (StopGateway(seen.pid).key,)
        because = "declared and not listening" if seen is None else "where it listens changed"
        yield Planned(StartGateway(want), because, after=(*after, *publish))


def surface_differs(desired: DesiredState, observed: ObservedState) -> bool:
    """Say whether the gateway must be told something; a new generation alone is nothing."""
    if desired.surface is None or observed.surface is None:
        return desired.surface is not observed.surface
    return _content(desired.surface) != _content(observed.surface)


def _content(surface: Surface) -> Surface:
    return msgspec.structs.replace(surface, generation=0)


def _changes(old: Surface | None, new: Surface) -> Iterator[str]:
    gone = {each.name: each for each in old.routes} if old else {}
    come = {each.name: each for each in new.routes}
    for name in sorted(gone.keys() | come.keys()):
        yield from _route_changes(name, gone.get(name), come.get(name))
    if old is None:
        return
    before, after = _settings(old), _settings(new)
    yield from (
        f"{key}: {before[key]} -> {after[key]}" for key in after if before[key] != after[key]
    )


def _settings(surface: Surface) -> dict[str, object]:
    """Return the settings that are not routes, by dotted path."""
    groups = {"cors": surface.cors, "limits": surface.limits}
    flat = {
        f"{name}.{key}": value
        for name, group in groups.items()
        for key, value in msgspec.structs.asdict(group).items()
    }
    return flat | {"log_prompts": surface.log_prompts}


def _route_changes(name: str, old: ServedRoute | None, new: ServedRoute | None) -> Iterator[str]:
    if old is None:
        yield f"route {name}: added"
    elif new is None:
        yield f"route {name}: removed"
    else:
        for key in sorted(old.operation.keys() | new.operation.keys()):
            before, after = old.operation.get(key), new.operation.get(key)
            if before != after:
                yield f"route {name}: {key}: {before} -> {after}"
        if old.instance != new.instance:
            yield f"route {name}: instance: {old.instance} -> {new.instance}"
