"""What to tell people about each object: Ready or not, and why, from values alone.

Ready means: no step of the plan concerns the object. As a runner's own report of its spec and
weight digests is what takes the load step out of the plan, nothing is Ready that serves
something else.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.observed import ObservedState
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled, Waiting
from lmctl.planning.plan import Plan, Planned
from lmctl.planning.weights_values import StoredWeights


class State(StrEnum):
    """READY; RECONCILING: work is under way; RETRYING: it failed and will be tried again;
    STALLED: it will not be tried again until someone changes something.
    """

    READY = "Ready"
    RECONCILING = "Reconciling"
    RETRYING = "Retrying"
    STALLED = "Stalled"


class Condition(msgspec.Struct, frozen=True):
    """One object's standing. `facts` are short things worth a column, e.g. memory or size."""

    key: str
    state: State
    message: str
    generation: int
    facts: dict[str, str | int | float | list[str] | None] = {}

    @property
    def kind(self) -> str:
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]


class Progress(msgspec.Struct, frozen=True):
    """How far a running step is: `done` of `total` in its own unit (bytes, or 0..1 of a load)."""

    text: str
    done: float = 0.0
    total: float = 0.0
    rate: float = 0.0


def conditions(
    desired: DesiredState,
    observed: ObservedState,
    plan: Plan,
    *,
    outcomes: Mapping[str, Outcome],
    progress: Mapping[str, Progress],
) -> tuple[Condition, ...]:
    """Return one condition per declared object, instances last.

    `outcomes` are the last endings and `progress` the running steps, both by step key.
    """
    judge = _Judge(desired, plan, outcomes, progress)
    return tuple(_all(desired, observed, judge))


class _Judge:
    def __init__(
        self,
        desired: DesiredState,
        plan: Plan,
        outcomes: Mapping[str, Outcome],
        progress: Mapping[str, Progress],
    ) -> None:
        self._generation = desired.generation
        self._plan = plan
        self._outcomes = outcomes
        self._progress = progress

    def condition(
        self,
        key: str,
        subjects: tuple[str, ...],
        ready: str,
        facts: dict[str, str | int | float | list[str] | None],
    ) -> Condition:
        steps = [each for each in self._plan.steps if each.step.subject in subjects]
        told = [self._tell(each) for each in steps]
        state, message = max(told, key=_worst, default=(State.READY, ready))
        return Condition(key, state, message, self._generation, facts)

    def _tell(self, planned: Planned) -> tuple[State, str]:
        if planned.held:
            return State.STALLED, planned.held
        if planned.key in self._progress:
            return State.RECONCILING, self._progress[planned.key].text
        match self._outcomes.get(planned.key):
            case Stalled(reason):
                return State.STALLED, reason
            case Failed(reason):
                return State.RETRYING, reason
            case Waiting(reason):
                return State.RECONCILING, reason
            case Done(note):
                return State.RECONCILING, note  # done, and not yet seen to be
        blockers = [each for each in self._plan.steps if each.key in planned.after]
        if blockers:
            return self._tell_blocked(blockers)
        return State.RECONCILING, planned.because

    def _tell_blocked(self, blockers: list[Planned]) -> tuple[State, str]:
        """Name what is waited for; say why only when that is in trouble itself."""
        told = [(each.step.subject, *self._tell(each)) for each in blockers]
        subject, state, message = max(told, key=lambda each: _worst(each[1:]))
        if state is State.RECONCILING:
            names = ", ".join(dict.fromkeys(each[0] for each in told))
            return state, f"waits for {names}"
        return state, f"waits for {subject}: {message}"


def _worst(told: tuple[State, str]) -> int:
    return (State.READY, State.RECONCILING, State.RETRYING, State.STALLED).index(told[0])


def _all(desired: DesiredState, observed: ObservedState, judge: _Judge) -> Iterator[Condition]:
    for runtime in desired.runtimes:
        subject = f"runtime/{runtime.name}"
        seen = observed.runtimes.get(runtime.name)
        version = seen.version if seen else None
        yield judge.condition(
            subject, (subject,), f"{runtime.name} {version}", {"version": version}
        )
    for weights in desired.weights:
        subject = f"model/{weights.model}"
        stored = observed.seen_weights(weights.key).stored
        facts: dict[str, str | int | float | list[str] | None] = {
            "size": stored.size if stored else None,
            "source": stored.source if stored else None,
            "attempts": list(stored.attempts) if stored else [],
            "sha256": [each.sha256 for each in stored.files] if stored else [],
        }
        yield judge.condition(subject, (subject,), _stored(stored), facts)
    if desired.gateway is not None:
        gateway = observed.gateway
        binds = list(gateway.binds) if gateway else []
        yield judge.condition(
            "server/gateway",
            ("server/gateway", "server/surface"),
            f"listening on {', '.join(binds)}",
            {"binds": binds, "pid": gateway.pid if gateway else None},
        )
    for instance in desired.instances:
        yield _instance(instance, observed, judge)


def _stored(stored: StoredWeights | None) -> str:
    if stored is None:
        return ""
    gave_way = "".join(f"; {each}" for each in stored.attempts)
    return f"stored, from {stored.source}{gave_way}"


def _instance(instance: WantedInstance, observed: ObservedState, judge: _Judge) -> Condition:
    subject = f"instance/{instance.name}"
    seen = next(iter(observed.runners_of(instance.name)), None)
    facts: dict[str, str | int | float | list[str] | None] = {
        "identifier": instance.identifier,
        "model": instance.model,
        "runtime": instance.runtime,
        "specDigest": instance.spec_digest,
        "observedSpecDigest": seen.spec_digest if seen and seen.pid else None,
        "phase": seen.phase.value if seen else None,
        "pid": seen.pid if seen else None,
        "memory": seen.memory if seen else None,
        "running": seen.running if seen else None,
        "queued": seen.queued if seen else None,
        "parallel": seen.parallel if seen else None,
    }
    return judge.condition(subject, (subject,), f"serving as {instance.identifier}", facts)
