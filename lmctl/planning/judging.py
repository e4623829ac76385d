"""From the steps that concern an object to a verdict: how it stands, why, and in whose words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import SEVERITY, Progress, Reason, State, Sync
from lmctl.planning.desired import DesiredState
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled, Waiting
from lmctl.planning.plan import Plan, Planned, object_of
from lmctl.planning.policies import BOX

_FAILURES = {
    FailureKind.TRANSIENT: Reason.TRANSIENT_FAILURE,
    FailureKind.CAPACITY: Reason.CAPACITY_FAILURE,
    FailureKind.CONFIG: Reason.CONFIG_FAILURE,
    FailureKind.INTEGRITY: Reason.INTEGRITY_FAILURE,
    FailureKind.BUG: Reason.BUG_FAILURE,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the steps of an object stand. `begun`: one of them, or one they wait for, was tried."""

    state: State
    reason: Reason
    message: str
    sync: Sync = Sync.OUT_OF_SYNC
    begun: bool = False


AS_DECLARED = Verdict(State.READY, Reason.AS_DECLARED, "", Sync.SYNCED)


class Judge:
    """Judges by a plan, the last endings of its steps and the progress of those that run."""

    def __init__(
        self,
        desired: DesiredState,
        plan: Plan,
        outcomes: Mapping[str, Outcome],
        progress: Mapping[str, Progress],
    ) -> None:
        self._suspended = desired.suspended
        self._outcomes = outcomes
        self._progress = progress
        self._steps = {each.key: each for each in plan.steps}
        self._order = {key: number for number, key in enumerate(self._steps)}
        self._of: dict[str, list[Planned]] = {}
        for each in plan.steps:
            self._of.setdefault(object_of(each), []).append(each)
        self._told: dict[str, Verdict] = {}

    def verdict(self, key: str) -> Verdict:
        """Return how the object stands; suspension goes before everything else."""
        steps = self._of.get(key, [])
        worst = max(map(self._tell, steps), key=_severity, default=AS_DECLARED)
        worst = replace(worst, sync=_sync(steps))
        why = self.suspension(key)
        if why is None:
            return worst
        pending = f"; pending: {steps[0].because}" if steps else ""
        return replace(
            worst, state=State.SUSPENDED, reason=Reason.SUSPENDED, message=f"{why}{pending}"
        )

    def suspension(self, key: str) -> str | None:
        """Return who suspended the object, or the whole box, and why; None where nobody did."""
        if BOX in self._suspended:
            return f"the whole box: {self._suspended[BOX]}"
        return self._suspended.get(key)

    def _tell(self, planned: Planned) -> Verdict:
        if planned.key not in self._told:
            self._told[planned.key] = self._judge(planned)
        return self._told[planned.key]

    def _judge(self, planned: Planned) -> Verdict:
        if planned.held:
            held = Reason.CANNOT_BE_DONE if planned.blocked else Reason.HELD
            return Verdict(State.STALLED, held, planned.held)
        if planned.key in self._progress:
            text = self._progress[planned.key].text
            return Verdict(State.RECONCILING, Reason.WORKING, text, begun=True)
        match self._outcomes.get(planned.key):
            case Stalled(reason):
                return Verdict(State.STALLED, Reason.NEEDS_CHANGE, reason, begun=True)
            case Failed(reason, kind):
                return Verdict(State.RETRYING, _FAILURES[kind], reason, begun=True)
            case Waiting(reason):
                return Verdict(State.RECONCILING, Reason.WAITING, reason, begun=True)
            case Done(note):
                return Verdict(State.RECONCILING, Reason.DONE_NOT_SEEN, note, begun=True)
        keys = sorted(self._order.keys() & set(planned.after), key=self._order.__getitem__)
        blockers = [self._steps[key] for key in keys]
        if blockers:
            return self._tell_blocked(blockers)
        return Verdict(State.RECONCILING, Reason.PLANNED, planned.because)

    def _tell_blocked(self, blockers: list[Planned]) -> Verdict:
        """Name what is waited for; say why only when that is in trouble itself."""
        told = [(each.step.subject, self._tell(each)) for each in blockers]
        subject, worst = max(told, key=lambda each: _severity(each[1]))
        begun = any(verdict.begun for _, verdict in told)
        if worst.state is State.RECONCILING:
            names = ", ".join(dict.fromkeys(name for name, _ in told))
            return Verdict(State.RECONCILING, Reason.BLOCKED, f"waits for {names}", begun=begun)
        message = f"waits for {subject}: {worst.message}"
        return replace(worst, message=message, begun=begun)


def _sync(steps: Iterable[Planned]) -> Sync:
    """Return the column: that something drifted is told also where it is only reported."""
    found = tuple(steps)
    if any(each.drift for each in found):
        return Sync.DRIFTED
    if any(each.held for each in found):
        return Sync.HELD
    return Sync.OUT_OF_SYNC if found else Sync.SYNCED


def _severity(verdict: Verdict) -> int:
    return SEVERITY.index(verdict.state)
