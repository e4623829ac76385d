"""Rules: one gateway listens where declared, and knows the declared routes and settings."""

from collections.abc import Iterator, Mapping

from lmctl.base.changes import ChangeClass
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
from lmctl.planning.surface_changes import SERVER, surface_changes


def surfaces(scene: Scene) -> Iterator[Planned]:
    """Plan the gateway's process and what it is told."""
    desired, observed, surface = scene.desired, scene.observed, scene.surface
    publish: tuple[str, ...] = ()
    if surface is not None and scene.publish:
        changes = tuple(surface_changes(observed.surface, surface, desired))
        step = PublishSurface(surface)
        publish = (step.key,)
        because = "first routes" if observed.surface is None else "routes or settings changed"
        yield Planned(step, because, disruption=Disruption.HOT, changes=changes)
    for step in scene.held_back():
        why = desired.suspended[f"instance/{step.instance}"]
        changes = tuple(surface_changes(surface, step.surface, desired))
        yield Planned(step, "its name or settings changed", disruption=Disruption.HOT,
                      changes=changes, held=f"suspended: {why}")  # fmt: skip
    yield from _gateway(observed.gateway, desired.gateway, desired.places.get(SERVER, {}), publish)


def _gateway(
    seen: SeenGateway | None,
    want: WantedGateway | None,
    places: Mapping[str, str],
    publish: tuple[str, ...],
) -> Iterator[Planned]:
    """Plan the end of a process that does not listen as wanted, and the start of one that does."""
    changes = tuple(_moved(seen, want, places)) if seen and want else ()
    because = _why_other(seen, want, changes)
    if seen and want and because and _beside(seen, want):
        start = StartGateway(want, replaces=seen.pid)
        if not _shares_port(seen, want):
            old = ", ".join(seen.binds)
            because = f"who uses {old} has to follow; what is being answered is finished"
        yield Planned(start, because, after=publish, disruption=Disruption.HOT, changes=changes)
        return
    if seen is not None and because:
        stop = StopGateway(seen.pid, want, kill=bool(seen.hung))
        yield Planned(stop, because, disruption=Disruption.OUTAGE, changes=changes)
    if want is not None and because:
        after = () if seen is None else (StopGateway(seen.pid).key,)
        yield Planned(StartGateway(want), because, after=(*after, *publish), changes=changes)


def _beside(seen: SeenGateway, want: WantedGateway) -> bool:
    """Say whether the wanted one can listen while the one there is does: at another port, or at a
    port that is shared.
    """
    known = bool(seen.binds) and not seen.hung
    return known and (seen.shares or not _shares_port(seen, want))


def _shares_port(seen: SeenGateway, want: WantedGateway) -> bool:
    return str(want.port) in {each.rpartition(":")[2] for each in seen.binds}


def _why_other(
    seen: SeenGateway | None, want: WantedGateway | None, changes: tuple[FieldChange, ...]
) -> str:
    """Say why another process must listen, or none; empty when all is as declared."""
    if seen is None:
        return "" if want is None else "declared and not listening"
    if want is None:
        return "declared not to listen"
    if seen.digest != want.digest:
        return "; ".join(map(str, changes)) or "where it listens changed"
    return f"it hangs: {seen.hung}" if seen.hung else ""


def _moved(
    seen: SeenGateway, want: WantedGateway, places: Mapping[str, str]
) -> Iterator[FieldChange]:
    if seen.digest == want.digest:
        return
    host, _, port = (seen.binds[0] if seen.binds else "").rpartition(":")
    for path, old, new in (
        ("listen.host", host.strip("[]"), want.host),
        ("listen.port", port, str(want.port)),
        ("listen.workers", str(seen.workers or ""), str(want.workers)),
    ):
        if old and old != new:
            place = places.get(path, "")
            yield FieldChange(path, old, new, ChangeClass.SERVER_RESTART, place)
