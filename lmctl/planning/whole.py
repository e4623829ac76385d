"""How the whole box stands: as its worst object, and stalled while its manifests are broken."""

from collections.abc import Sequence

from lmctl.base.diagnostics import Diagnostic
from lmctl.planning.common_conditions import common
from lmctl.planning.conditions import (
    SEVERITY,
    Condition,
    ConditionType,
    HealthState,
    Reason,
    Standing,
    State,
    Sync,
    Truth,
)
from lmctl.planning.desired import DesiredState
from lmctl.planning.judging import Verdict
from lmctl.planning.plan import Plan
from lmctl.planning.policies import BOX
from lmctl.planning.pruning import BLOCKED

# Mildest first, like SEVERITY.
_HEALTH = (
    HealthState.HEALTHY,
    HealthState.SUSPENDED,
    HealthState.PROGRESSING,
    HealthState.MISSING,
    HealthState.DEGRADED,
)
_SYNC = (Sync.SYNCED, Sync.OUT_OF_SYNC, Sync.HELD, Sync.DRIFTED)


def box_standing(
    desired: DesiredState | None,
    problems: Sequence[Diagnostic],
    objects: Sequence[Standing],
    plan: Plan,
) -> Standing:
    """Return the standing under the key `box`."""
    fatal = [each for each in problems if each.fatal]
    verdict = _verdict(desired, fatal, objects, plan)
    suspension = desired.suspended.get(BOX) if desired is not None else None
    return Standing(
        key=BOX,
        state=verdict.state,
        message=verdict.message,
        generation=desired.generation if desired is not None else 0,
        sync=verdict.sync,
        health=max((each.health for each in objects), key=_HEALTH.index, default=_HEALTH[0]),
        conditions=(
            *common(verdict, verdict.message, suspension),
            _resolved(desired, fatal),
            _prune_blocked(fatal),
        ),
    )


def _verdict(
    desired: DesiredState | None,
    fatal: Sequence[Diagnostic],
    objects: Sequence[Standing],
    plan: Plan,
) -> Verdict:
    ready = sum(each.state is State.READY for each in objects)
    count = f"{ready} of {len(objects)} ready"
    sync = max((each.sync for each in objects), key=_SYNC.index, default=Sync.SYNCED)
    if sync is Sync.SYNCED and not plan.empty:
        sync = Sync.OUT_OF_SYNC  # what is no longer declared has no object of its own
    if fatal:
        return Verdict(State.STALLED, _why(fatal), _broken(fatal), sync)
    if desired is None:
        return Verdict(State.RECONCILING, Reason.NOT_ASKED_YET, "no manifests were read yet", sync)
    worst = max((each.state for each in objects), key=SEVERITY.index, default=State.READY)
    if worst is State.READY and not plan.empty:
        return Verdict(State.RECONCILING, Reason.PLANNED, plan.steps[0].because, sync)
    found = next((each for each in objects if each.state is worst), None)
    condition = found.condition(ConditionType.READY) if found is not None else None
    reason = condition.reason if condition is not None else Reason.AS_DECLARED
    return Verdict(worst, reason, count, sync)


def _resolved(desired: DesiredState | None, fatal: Sequence[Diagnostic]) -> Condition:
    kind = ConditionType.RESOLVED
    if fatal:
        return Condition(kind, Truth.FALSE, Reason.MANIFESTS_BROKEN, _broken(fatal))
    if desired is None:
        return Condition(kind, Truth.UNKNOWN, Reason.NOT_ASKED_YET, "no manifests were read yet")
    return Condition(kind, Truth.TRUE, Reason.MANIFESTS_VALID, f"generation {desired.generation}")


def _prune_blocked(fatal: Sequence[Diagnostic]) -> Condition:
    kind = ConditionType.PRUNE_BLOCKED
    blocked = [each for each in fatal if each.code == BLOCKED]
    if blocked:
        return Condition(kind, Truth.TRUE, Reason.PRUNE_GUARD, blocked[0].message)
    return Condition(kind, Truth.FALSE, Reason.NOTHING_BLOCKED, "nothing is held back")


def _why(fatal: Sequence[Diagnostic]) -> Reason:
    guarded = all(each.code == BLOCKED for each in fatal)
    return Reason.PRUNE_GUARD if guarded else Reason.MANIFESTS_BROKEN


def _broken(fatal: Sequence[Diagnostic]) -> str:
    return f"{len(fatal)} manifest problem(s): {fatal[0].place}: {fatal[0].message}"
