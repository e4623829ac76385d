"""Desired and observed in, plan out: runs the rules, applies the policies, orders the steps."""

from collections.abc import Callable, Iterable, Iterator

from lmctl.planning.desired import DesiredState
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
from lmctl.planning.surfaces import surfaces
from lmctl.planning.weights import weights

Rule = Callable[[DesiredState, ObservedState], Iterable[Planned]]

RULES: tuple[Rule, ...] = (runtimes, weights, surfaces, instances)

_RANK: tuple[type[Step], ...] = (
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
    for rule in RULES:
        for each in rule(desired, observed):
            found.setdefault(each.key, each)
    steps = apply_policies(_in_order(found), desired, observed)
    return Plan(desired.generation, tuple(steps))


def _in_order(found: dict[str, Planned]) -> Iterator[Planned]:
    """Order by what must come first; ties break by kind and text, so plans are repeatable."""
    waiting = sorted(found.values(), key=lambda each: (_RANK.index(type(each.step)), each.key))
    done = {key for each in waiting for key in each.after} - found.keys()
    while waiting:
        ready = next(each for each in waiting if done.issuperset(each.after))
        waiting.remove(ready)
        done.add(ready.key)
        yield ready
