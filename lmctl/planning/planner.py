"""Desired and observed in, plan out: runs the rules, applies the policies, orders the steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heappush

from lmctl.planning.desired import DesiredState
from lmctl.planning.end_stray import EndStray
from lmctl.planning.inputs import inputs_of
from lmctl.planning.instances import instances
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import (
    EnsureRuntime,
    FetchWeights,
    LinkWeights,
    LoadInstance,
    Plan,
    Planned,
    PublishSurface,
    RenameInstance,
    RestoreInstance,
    StartGateway,
    Step,
    StopGateway,
    SwitchRoute,
    UnloadInstance,
    VerifyWeights,
)
from lmctl.planning.policies import apply_policies
from lmctl.planning.runtimes import runtimes
from lmctl.planning.scene import Scene
from lmctl.planning.strays import strays
from lmctl.planning.surfaces import surfaces
from lmctl.planning.weights import weights

Rule = Callable[[Scene], Iterable[Planned]]

RULES: tuple[Rule, ...] = (runtimes, weights, surfaces, instances, strays)

_RANK: tuple[type[Step], ...] = (
    EndStray,
    EnsureRuntime,
    FetchWeights,
    VerifyWeights,
    LinkWeights,
    RenameInstance,
    PublishSurface,
    StopGateway,
    StartGateway,
    UnloadInstance,
    RestoreInstance,
    LoadInstance,
    SwitchRoute,
)


def make_plan(desired: DesiredState, observed: ObservedState) -> Plan:
    """Compute the steps that take `observed` to `desired`; empty when there is nothing to do."""
    found: dict[str, Planned] = {}
    scene = Scene(desired, observed)
    for rule in RULES:
        for each in rule(scene):
            found.setdefault(each.key, each)
    steps = apply_policies(_in_order(found), desired, observed)
    ready = (replace(each, inputs=inputs_of(each.step, observed)) for each in steps)
    return Plan(desired.generation, tuple(ready))


def _in_order(found: Mapping[str, Planned]) -> Iterator[Planned]:
    """Order by what must come first; ties break by kind and text, so plans are repeatable."""
    waits = {
        key: {each for each in planned.after if each in found} for key, planned in found.items()
    }
    frees: dict[str, list[str]] = {}
    for key, firsts in waits.items():
        for first in firsts:
            frees.setdefault(first, []).append(key)
    ready = [_place(found[key]) for key, firsts in waits.items() if not firsts]
    heapify(ready)
    while ready:
        _, key = heappop(ready)
        yield found[key]
        for freed in frees.get(key, ()):
            waits[freed].discard(key)
            if not waits[freed]:
                heappush(ready, _place(found[freed]))


def _place(planned: Planned) -> tuple[int, str]:
    return _RANK.index(type(planned.step)), planned.key
