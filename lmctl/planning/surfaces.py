"""Rules: one gateway listens where declared, and knows the declared routes and settings."""

from collections.abc import Iterator

import msgspec

from lmctl.planning.desired import WantedGateway
from lmctl.planning.observed import SeenGateway
from lmctl.planning.plan import (
    Disruption,
    FieldChange,
    Planned,
    PublishSurface,
    StartGateway,
    StopGateway,
)
from lmctl.planning.scene import Scene
from lmctl.planning.surface import ServedRoute, Surface


def surfaces(scene: Scene) -> Iterator[Planned]:
    """Plan the gateway's process and what it is told."""
    desired, observed, surface = scene.desired, scene.observed, scene.surface
    publish: tuple[str, ...] = ()
    if surface is not None and scene.publish:
        changes = tuple(_changes(observed.surface, surface))
        step = PublishSurface(surface)
        publish = (step.key,)
        because = "first routes" if observed.surface is None else "routes or settings changed"
        yield Planned(step, because, disruption=Disruption.HOT, changes=changes)
    seen, want = observed.gateway, desired.gateway
    because = _why_other(seen, want)
    if seen is not None and because:
        stop = StopGateway(seen.pid, want, kill=bool(seen.hung))
        yield Planned(stop, because, disruption=Disruption.OUTAGE)
    if want is not None and because:
        after = () if seen is None else (StopGateway(seen.pid).key,)
        yield Planned(StartGateway(want), because, after=(*after, *publish))


def _why_other(seen: SeenGateway | None, want: WantedGateway | None) -> str:
    """Say why another process must listen, or none; empty when all is as declared."""
    if seen is None:
        return "" if want is None else "declared and not listening"
    if want is None:
        return "no longer declared"
    if seen.hung:
        return f"it hangs: {seen.hung}"
    return "where it listens changed" if seen.digest != want.digest else ""


def _changes(old: Surface | None, new: Surface) -> Iterator[FieldChange]:
    gone = {each.name: each for each in old.routes} if old else {}
    come = {each.name: each for each in new.routes}
    for name in sorted(gone.keys() | come.keys()):
        yield from _route_changes(name, gone.get(name), come.get(name))
    if old is None:
        return
    before, after = _settings(old), _settings(new)
    yield from (
        FieldChange(key, str(before[key]), str(after[key]))
        for key in after
        if before[key] != after[key]
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


def _route_changes(
    name: str, old: ServedRoute | None, new: ServedRoute | None
) -> Iterator[FieldChange]:
    if old is None or new is None:
        before, after = (f"instance {each.instance}" if each else "" for each in (old, new))
        yield FieldChange(f"route {name}", before, after)
        return
    for key in sorted(old.operation.keys() | new.operation.keys()):
        was, now = old.operation.get(key), new.operation.get(key)
        if was != now:
            yield FieldChange(f"route {name}: {key}", str(was), str(now))
    if old.instance != new.instance:
        yield FieldChange(f"route {name}: instance", old.instance, new.instance)
