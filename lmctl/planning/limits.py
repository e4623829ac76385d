"""Work on some objects only: what they need belongs to it, everything else is left alone."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from lmctl.planning.desired import DesiredState


def limited(desired: DesiredState, only: Iterable[str]) -> DesiredState:
    """Return the same desired state with all but these objects, and what they need, left alone."""
    asked = frozenset(only)
    if not asked:
        return desired
    why, needed = not_asked_for(asked), needs(desired, asked)
    others = {each: why for each in _objects(desired) if each not in needed}
    return replace(desired, only=asked, suspended={**others, **desired.suspended})


def needs(desired: DesiredState, only: frozenset[str]) -> frozenset[str]:
    """Return the keys of these objects and of all that must be there for them to be served."""
    found = set(only)
    for alias in desired.surface.aliases if desired.surface else ():
        if f"route/{alias.name}" in found:
            found |= {f"instance/{each.instance}" for each in alias.targets}
    for each in (*desired.instances, *desired.asleep):
        if f"instance/{each.name}" in found:
            found |= {f"model/{each.model}", f"runtime/{each.runtime}", "server/gateway"}
    return frozenset(found)


def not_asked_for(only: Iterable[str]) -> str:
    """Return why an object is left alone, in a person's words."""
    return f"not asked for (`--only {' '.join(sorted(only))}`)"


def _objects(desired: DesiredState) -> Iterator[str]:
    yield from (f"instance/{each.name}" for each in desired.instances)
    yield from (f"model/{each.model}" for each in desired.weights)
    yield from (f"runtime/{each.name}" for each in desired.runtimes)
    yield from (f"mcp/{each.name}" for each in desired.tool_servers)
    if desired.gateway is not None:
        yield "server/gateway"
