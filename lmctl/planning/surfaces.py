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
        yield Planned(StopGateway(seen.pid), because, disruption=Disruption.OUTAGE)
    if want is not None and (seen is None or seen.digest != want.digest or not seen.listening):
        after = () if seen is None or seen.digest == want.digest else (StopGateway(seen.pid).key,)
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
    before = {each.name: each for each in old.routes} if old else {}
    after = {each.name: each for each in new.routes}
    for name in sorted(before.keys() | after.keys()):
        yield from _route_changes(name, before.get(name), after.get(name))
    if old is None:
        return
    for field in ("cors", "limits", "log_prompts"):
        if getattr(old, field) != getattr(new, field):
            yield f"{field}: {getattr(old, field)} -> {getattr(new, field)}"


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
