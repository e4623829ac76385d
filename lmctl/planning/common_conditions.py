"""What is said of every object, whatever it is (kstatus)."""

from collections.abc import Iterator

from lmctl.planning.conditions import Condition, ConditionType, Reason, State, Sync, Truth
from lmctl.planning.judging import Verdict

_SYNC_REASONS = {
    Sync.SYNCED: Reason.AS_DECLARED,
    Sync.OUT_OF_SYNC: Reason.EDITED,
    Sync.HELD: Reason.HELD,
    Sync.DRIFTED: Reason.DRIFTED,
}


def common(verdict: Verdict, message: str, suspension: str | None) -> Iterator[Condition]:
    """Yield what is said of every object."""
    state, reason = verdict.state, verdict.reason
    ready = Truth.of(state is State.READY)
    if state is State.SUSPENDED:
        ready = Truth.UNKNOWN  # nobody makes it so any more: it must not look Ready
    working = state in (State.RECONCILING, State.RETRYING)
    yield Condition(ConditionType.READY, ready, reason, message)
    yield Condition(
        ConditionType.RECONCILING, Truth.of(working), reason, message if working else ""
    )
    stalled = state is State.STALLED
    yield Condition(ConditionType.STALLED, Truth.of(stalled), reason, message if stalled else "")
    yield Condition(
        ConditionType.SUSPENDED,
        Truth.of(suspension is not None),
        Reason.NOT_SUSPENDED if suspension is None else Reason.SUSPENDED,
        suspension or "",
    )
    synced = verdict.sync is Sync.SYNCED
    why = "" if synced else message
    yield Condition(ConditionType.IN_SYNC, Truth.of(synced), _SYNC_REASONS[verdict.sync], why)
