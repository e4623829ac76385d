"""What to tell people about each object: Ready or not, and why, from values alone.

Ready means: no step of the plan concerns the object, and what serves is seen to serve. As a
runner's own report of its spec and weight digests is what takes the load step out of the plan,
nothing is Ready that serves something else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lmctl.base.quantities import format_size
from lmctl.base.spec import Phase
from lmctl.planning import aspects
from lmctl.planning.common_conditions import common
from lmctl.planning.conditions import (
    Condition,
    ConditionType,
    Facts,
    HealthState,
    Progress,
    Reason,
    Standing,
    State,
    Sync,
    Truth,
)
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.judging import Judge, Verdict
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.outcome import Outcome
from lmctl.planning.plan import Plan
from lmctl.planning.rollout import over_budget
from lmctl.planning.route_standings import route_standings
from lmctl.planning.scene import Scene
from lmctl.planning.tool_standings import tool_standings
from lmctl.planning.wanted_runtimes import WantedRuntime
from lmctl.planning.weights_values import StoredWeights, Weights, WeightsState

ORPHAN = "orphan"
"""The owner of what nobody declares any more and policy keeps."""
_NOTHING_TRIED = (Reason.HELD, Reason.CANNOT_BE_DONE, Reason.NO_RUNNER)


def standings(
    desired: DesiredState,
    observed: ObservedState,
    plan: Plan,
    *,
    outcomes: Mapping[str, Outcome],
    progress: Mapping[str, Progress],
) -> tuple[Standing, ...]:
    """Return how every declared object stands, instances, routes and then tool servers last.

    `outcomes` are the last endings and `progress` the running steps, both by step key.
    """
    judge = Judge(desired, plan, outcomes, progress)
    objects = tuple(_Objects(desired, observed, judge).all())
    return (
        *objects,
        *route_standings(desired, observed, judge, objects),
        *tool_standings(desired, observed, judge),
    )


class _Objects:
    def __init__(self, desired: DesiredState, observed: ObservedState, judge: Judge) -> None:
        self._desired = desired
        self._observed = observed
        self._judge = judge
        self._scene = Scene(desired, observed)

    def all(self) -> Iterator[Standing]:
        for runtime in self._desired.runtimes:
            yield self._runtime(runtime)
        for weights in self._desired.weights:
            yield self._model(weights)
        if self._desired.gateway is not None:
            yield self._gateway()
        for instance in self._desired.instances:
            yield self._instance(instance)
        for asleep in self._desired.asleep:
            yield self._asleep(asleep)
        for orphan in self._scene.orphans:
            yield self._orphan(orphan)

    def _standing(
        self,
        key: str,
        verdict: Verdict,
        *aspects_of_it: Condition,
        ready: str,
        exists: bool,
        facts: Facts,
    ) -> Standing:
        message = ready if verdict.state is State.READY else verdict.message
        return Standing(
            key=key,
            state=verdict.state,
            message=message,
            generation=self._desired.generation,
            facts=facts,
            sync=verdict.sync,
            health=_health(verdict, exists=exists),
            conditions=(*common(verdict, message, self._judge.suspension(key)), *aspects_of_it),
        )

    def _runtime(self, runtime: WantedRuntime) -> Standing:
        name, key = runtime.name, f"runtime/{runtime.name}"
        seen = self._observed.runtimes.get(name)
        version = seen.version if seen else None
        return self._standing(
            key,
            self._judge.verdict(key),
            aspects.runtime_ready(name, self._observed),
            ready=str(runtime.build or f"{name} {version}"),
            exists=seen is not None,
            facts={"version": version},
        )

    def _model(self, weights: Weights) -> Standing:
        key = f"model/{weights.model}"
        verdict = self._judge.verdict(key)
        seen = self._observed.seen_weights(weights.key)
        return self._standing(
            key,
            verdict,
            aspects.resolved(weights, self._observed, verdict),
            aspects.weights_ready(weights, self._observed),
            aspects.verified(weights, self._observed),
            ready=_stored(seen.stored),
            exists=seen.state is not WeightsState.ABSENT,
            facts=_facts_of_weights(seen.stored),
        )

    def _gateway(self) -> Standing:
        seen = self._observed.gateway
        binds = list(seen.binds) if seen else []
        listening = aspects.listening(self._desired, self._observed)
        return self._standing(
            "server/gateway",
            self._judge.verdict("server/gateway"),
            listening,
            ready=listening.message,
            exists=seen is not None,
            facts={"binds": binds, "pid": seen.pid if seen else None},
        )

    def _instance(self, want: WantedInstance) -> Standing:
        key = f"instance/{want.name}"
        verdict = self._judge.verdict(key)
        serving = aspects.serving(want, self._desired, self._observed)
        if verdict.state is State.READY and serving.status is not Truth.TRUE:
            verdict = self._not_served(verdict, serving)
        over = filter(None, [_over_budget(want, self._observed)])
        return self._standing(
            key,
            verdict,
            Condition(ConditionType.RESOLVED, Truth.TRUE, Reason.AS_DECLARED, want.model),
            aspects.weights_ready(self._waited_for(want), self._observed),
            aspects.verified(self._waited_for(want), self._observed),
            aspects.fits(want, self._observed, self._scene.rollouts[want.name].room),
            aspects.runtime_ready(want.runtime, self._observed),
            aspects.loaded(want, self._observed),
            serving,
            ready="; ".join((f"serving as {want.identifier}", *over)),
            exists=any(each.alive for each in self._observed.runners_of(want.name)),
            facts=self._facts_of_instance(want),
        )

    def _waited_for(self, want: WantedInstance) -> Weights:
        """Return the weights it cannot be loaded without: the first that are not there yet."""
        states = {each: self._observed.seen_weights(each.key).state for each in want.all_weights}
        missing = (each for each, state in states.items() if state is not WeightsState.STORED)
        return next(missing, want.weights)

    def _asleep(self, want: WantedInstance) -> Standing:
        """Tell of an instance that nobody has asked for: nothing is to be loaded, so it is Ready."""
        key = f"instance/{want.name}"
        enabled = self._desired.on_demand.enabled
        waits = "not loaded; the first request for it loads it"
        message = waits if enabled else "not loaded; `lmctl load` loads it, `jit.enabled` is false"
        reason = Reason.ON_DEMAND if enabled else Reason.NO_RUNNER
        return self._standing(
            key,
            self._judge.verdict(key),
            Condition(ConditionType.RESOLVED, Truth.TRUE, Reason.AS_DECLARED, want.model),
            aspects.weights_ready(want.weights, self._observed),
            aspects.verified(want.weights, self._observed),
            aspects.runtime_ready(want.runtime, self._observed),
            Condition(ConditionType.SERVING, Truth.FALSE, reason, message),
            ready=message,
            exists=any(each.alive for each in self._observed.runners_of(want.name)),
            facts=self._facts_of_instance(want),
        )

    def _not_served(self, verdict: Verdict, serving: Condition) -> Verdict:
        """Return the verdict on an instance that needs no step of its own and that nobody reaches:
        as its gateway, or stuck, where policy says to leave things as they are.
        """
        gateway = self._judge.verdict("server/gateway")
        state = gateway.state if gateway.state is not State.READY else State.STALLED
        return replace(verdict, state=state, reason=serving.reason, message=serving.message)

    def _orphan(self, seen: SeenRunner) -> Standing:
        """Tell of a runner that nobody declares any more and that policy keeps: it is left alone."""
        verdict = Verdict(State.READY, Reason.ORPHANED, "", Sync.SYNCED)
        facts: Facts = {"owner": ORPHAN, "model": seen.model, "specDigest": None}
        return self._standing(
            f"instance/{seen.name}",
            verdict,
            ready="orphaned: no file declares it any more, `prune: false` keeps it",
            exists=True,
            facts=facts | _facts_of_runner(seen),
        )

    def _facts_of_instance(self, want: WantedInstance) -> Facts:
        seen = next(iter(self._observed.runners_of(want.name)), None)
        runs = seen is not None and seen.alive and seen.spec_digest == want.spec_digest
        facts: Facts = {
            "owner": want.owner,
            "identifier": want.identifier,
            "model": want.model,
            "runtime": want.runtime,
            "specDigest": want.spec_digest,
            "contextLength": (seen.load if seen and runs else want.load).context_length,
            "ttl": want.ttl,
            "remainingTtl": _remaining(want, self._observed),
            "budget": want.memory,
            "overBudget": _over_budget(want, self._observed),
        }
        return facts | _facts_of_runner(seen)


def _remaining(want: WantedInstance, observed: ObservedState) -> float | None:
    """Return the seconds without a request after which it goes, as seen; None where it stays."""
    seen = next(iter(observed.runners_of(want.name)), None)
    if want.ttl is None or seen is None or seen.phase is not Phase.READY:
        return None
    return round(max(0.0, want.ttl - (0.0 if seen.running or seen.queued else seen.idle)), 1)


def _over_budget(want: WantedInstance, observed: ObservedState) -> str:
    """Tell that it uses more memory than it may; empty where it does not."""
    for seen in observed.runners_of(want.name):
        if seen.alive and want.memory is not None and over_budget(seen, want):
            used, may = format_size(seen.memory), format_size(want.memory)
            return f"uses {used}, above its budget of {may}"
    return ""


def _facts_of_runner(seen: SeenRunner | None) -> Facts:
    return {
        "observedSpecDigest": seen.spec_digest if seen and seen.pid else None,
        "phase": seen.phase.value if seen else None,
        "pid": seen.pid if seen else None,
        "memory": seen.memory if seen else None,
        "running": seen.running if seen else None,
        "queued": seen.queued if seen else None,
        "parallel": seen.parallel if seen else None,
    }


def _health(verdict: Verdict, *, exists: bool) -> HealthState:
    match verdict.state:
        case State.READY:
            return HealthState.HEALTHY
        case State.SUSPENDED:
            return HealthState.SUSPENDED
        case State.RECONCILING:
            going = exists or verdict.begun
            return HealthState.PROGRESSING if going else HealthState.MISSING
        case State.RETRYING:
            return HealthState.DEGRADED
        case State.STALLED:
            absent = verdict.reason in _NOTHING_TRIED and not exists
            return HealthState.MISSING if absent else HealthState.DEGRADED


def _stored(stored: StoredWeights | None) -> str:
    if stored is None:
        return ""
    gave_way = "".join(f"; {each}" for each in stored.attempts)
    return f"stored, from {stored.source}{gave_way}"


def _facts_of_weights(stored: StoredWeights | None) -> Facts:
    return {
        "size": stored.size if stored else None,
        "source": stored.source if stored else None,
        "attempts": list(stored.attempts) if stored else [],
        "sha256": [each.sha256 for each in stored.files] if stored else [],
    }
