"""What policy says of planned work: what is drift, what is only reported, what is left alone.

A step is drift when its subject was seen to be as it is wanted now, so that nobody's edit can be
the reason for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lmctl.base.digests import digest
from lmctl.planning.desired import DesiredState, DriftPolicy
from lmctl.planning.end_stray import EndStray
from lmctl.planning.limits import needs, not_asked_for
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import (
    Planned,
    PublishSurface,
    StartGateway,
    Step,
    StopGateway,
    SwitchRoute,
    object_of,
)
from lmctl.planning.surface import content

BOX = "box"
SURFACE = "server/surface"


def wanted_digests(desired: DesiredState, *, surface: bool = True) -> dict[str, str]:
    """Return what is wanted of each subject, as a digest that changes with every edit of it.

    Without `surface` that one, which takes the longest, is left out.
    """
    found: dict[str, str] = {
        f"runtime/{each.name}": each.build.digest if each.build else each.engine
        for each in desired.runtimes
    }
    found |= {f"model/{each.model}": each.key for each in desired.weights}
    found |= {f"instance/{each.name}": each.spec_digest for each in desired.instances}
    if desired.gateway is not None:
        found["server/gateway"] = desired.gateway.digest
    if surface and desired.surface is not None:
        found[SURFACE] = digest(content(desired.surface))
    return found


def with_reported_drift_forgotten(
    desired: DesiredState, before: Mapping[str, str]
) -> dict[str, str]:
    """Return what is remembered without what drift is only reported of: a person asked for it to be
    as declared, so what moved away is work like any other.
    """
    policies = own_policies(desired)
    return {
        subject: known
        for subject, known in before.items()
        if policies.get(subject, desired.drift) is not DriftPolicy.REPORT
    }


def converged(
    desired: DesiredState, subjects_with_work: frozenset[str], before: Mapping[str, str]
) -> dict[str, str]:
    """Return, by subject, the digest of what is wanted, where it was ever seen to be so."""
    return {
        subject: now
        for subject, now in wanted_digests(desired).items()
        if subject not in subjects_with_work or before.get(subject) == now
    }


def apply_policies(
    steps: Iterable[Planned], desired: DesiredState, observed: ObservedState
) -> Iterator[Planned]:
    """Yield the steps that are to be told, those that must not run held, in the same order.

    What is left alone keeps nobody else from work, except one who needs its very result: routes
    that may not be published hold up no load.
    """
    planned = tuple(steps)
    about_surface = any(each.step.subject == SURFACE for each in planned)
    wanted = wanted_digests(desired, surface=about_surface)
    policies = own_policies(desired)
    needed = needs(desired, desired.only)
    dropped: set[str] = set()
    passed: set[str] = set()
    for each in planned:
        subject = _about(each.step)
        drift = _drifted(each.step, subject, wanted, observed)
        policy = policies.get(subject, desired.drift)
        ignored = drift and policy is DriftPolicy.IGNORE
        held = each.held or _held(subject, policy, desired, drift)
        if isinstance(each.step, PublishSurface) and (ignored or held):
            passed.add(each.key)
        elif ignored or not dropped.isdisjoint(each.after):
            dropped.add(each.key)
        if ignored or each.key in dropped:
            continue
        held = held or _not_asked_for(each, desired, needed)
        after = tuple(key for key in each.after if key not in passed)
        yield replace(each, drift=drift, held=held, after=after)


def correcting(desired: DesiredState) -> DesiredState:
    """Return the same desired state as a person means it who applies it: what drift is only
    reported of is to be corrected.
    """
    correct = {DriftPolicy.REPORT: DriftPolicy.CORRECT}
    instances = tuple(
        replace(each, drift=correct.get(each.drift, each.drift)) for each in desired.instances
    )
    return replace(desired, drift=correct.get(desired.drift, desired.drift), instances=instances)


def _drifted(step: Step, subject: str, wanted: Mapping[str, str], observed: ObservedState) -> bool:
    """Say whether nobody's edit is the reason for a step. A stray was never anybody's wish."""
    if isinstance(step, EndStray):
        return True
    return bool(wanted.get(subject)) and observed.converged.get(subject) == wanted[subject]


def own_policies(desired: DesiredState) -> dict[str, DriftPolicy]:
    """Return what is to be done when a subject moves away, where the box's word does not count."""
    return {f"instance/{each.name}": each.drift for each in desired.instances}


def _not_asked_for(planned: Planned, desired: DesiredState, needed: frozenset[str]) -> str:
    """Return why a step is not among what was asked for; empty when it is, or all was.

    What is needed of the server is that it listens and knows the routes, not that it moves.
    """
    step = planned.step
    moves = isinstance(step, StopGateway) or (
        isinstance(step, StartGateway) and step.replaces is not None
    )
    if not desired.only or object_of(planned) in (desired.only if moves else needed):
        return ""
    return not_asked_for(desired.only)


def _about(step: Step) -> str:
    """Return whose policies count: a route is switched for the sake of its instance."""
    return f"instance/{step.name}" if isinstance(step, SwitchRoute) else step.subject


def _held(subject: str, policy: DriftPolicy, desired: DesiredState, drift: bool) -> str:  # noqa: FBT001
    for name in (subject, BOX):
        if name in desired.suspended:
            whole = " (the whole box)" if name == BOX else ""
            return f"suspended{whole}: {desired.suspended[name]}"
    if drift and policy is DriftPolicy.REPORT:
        _, _, pid = subject.partition("process/")
        way = f"`kill {pid}` ends it" if pid else "`lmctl apply` corrects it"
        return f"drift is only reported here (`drift: report`); {way}"
    return ""
