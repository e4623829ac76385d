"""Conditions of one respect each, from what is wanted and seen: weights, memory, runner, route."""

from lmctl.base.quantities import format_size
from lmctl.base.spec import Phase
from lmctl.planning.conditions import Condition, ConditionType, Reason, Truth
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.judging import Verdict
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.rollout import Room
from lmctl.planning.weights_values import Weights, WeightsState

_PHASES = {
    Phase.STARTING: Reason.STARTING,
    Phase.LOADING: Reason.LOADING,
    Phase.PROVING: Reason.PROVING,
    Phase.DRAINING: Reason.DRAINING,
    Phase.FAILED: Reason.RUNNER_FAILED,
}


def resolved(weights: Weights, observed: ObservedState, verdict: Verdict) -> Condition:
    """Say whether it is known which files the sources stand for."""
    kind = ConditionType.RESOLVED
    seen = observed.seen_weights(weights.key)
    if seen.stored is not None:
        count = len(seen.stored.files)
        files = "1 file" if count == 1 else f"{count} files"
        return Condition(kind, Truth.TRUE, Reason.STORED, f"{seen.stored.source}: {files}")
    if verdict.reason is Reason.NEEDS_CHANGE:
        return Condition(kind, Truth.FALSE, verdict.reason, verdict.message)
    return Condition(kind, Truth.UNKNOWN, Reason.NOT_ASKED_YET, "its sources were not asked yet")


def weights_ready(weights: Weights, observed: ObservedState) -> Condition:
    """Say whether all files are on disk as they were recorded."""
    kind = ConditionType.WEIGHTS_READY
    seen = observed.seen_weights(weights.key)
    match seen.state:
        case WeightsState.STORED:
            size = format_size(seen.stored.size) if seen.stored else ""
            return Condition(kind, Truth.TRUE, Reason.STORED, f"{size} stored")
        case WeightsState.SUSPECT:
            why = seen.reason or "its files changed on disk"
            return Condition(kind, Truth.FALSE, Reason.CHANGED_ON_DISK, why)
        case WeightsState.ABSENT:
            return Condition(kind, Truth.FALSE, Reason.ABSENT, seen.reason or "not on disk")


def verified(weights: Weights, observed: ObservedState) -> Condition:
    """Say whether every byte on disk was proven by its sha256."""
    kind = ConditionType.VERIFIED
    match observed.seen_weights(weights.key).state:
        case WeightsState.STORED:
            return Condition(kind, Truth.TRUE, Reason.STORED, "sha256 of every file is proven")
        case WeightsState.SUSPECT:
            return Condition(kind, Truth.UNKNOWN, Reason.CHANGED_ON_DISK, "to be hashed again")
        case WeightsState.ABSENT:
            return Condition(kind, Truth.UNKNOWN, Reason.ABSENT, "there is nothing to verify")


def runtime_ready(name: str, observed: ObservedState) -> Condition:
    """Say whether the build of the engine passed its self-test here."""
    kind = ConditionType.RUNTIME_READY
    seen = observed.runtimes.get(name)
    if seen is None:
        return Condition(
            kind, Truth.FALSE, Reason.NOT_TESTED, f"{name} did not pass its self-test here yet"
        )
    return Condition(kind, Truth.TRUE, Reason.SELF_TEST_PASSED, f"{name} {seen.version}")


def fits(want: WantedInstance, observed: ObservedState, room: Room) -> Condition:
    """Say whether it has room in memory: measured once it is loaded, estimated before."""
    kind = ConditionType.FITS
    loaded = loaded_runner(want, observed)
    if loaded is not None:
        message = f"{format_size(loaded.memory)} resident"
        return Condition(kind, Truth.TRUE, Reason.MEASURED, message)
    verdict = room.verdict
    if verdict is None:
        return Condition(kind, Truth.UNKNOWN, Reason.NOT_KNOWN, "what it needs is not known yet")
    if room.held:
        return Condition(kind, Truth.FALSE, Reason.DOES_NOT_FIT, verdict.words)
    return Condition(kind, Truth.TRUE, Reason.ESTIMATED, verdict.words)


def loaded_runner(want: WantedInstance, observed: ObservedState) -> SeenRunner | None:
    """Return the ready runner that says it runs what is declared, weights included."""
    weights = observed.sha256_of_all(want.all_weights)
    for each in observed.runners_of(want.name, want.renamed_from):
        same = each.spec_digest == want.spec_digest and each.weights == weights
        if each.phase is Phase.READY and same:
            return each
    return None


def loaded(want: WantedInstance, observed: ObservedState) -> Condition:
    """Say whether a runner has loaded what is declared, by its own report."""
    kind = ConditionType.LOADED
    found = loaded_runner(want, observed)
    if found is not None:
        return Condition(kind, Truth.TRUE, Reason.AS_DECLARED, f"pid {found.pid}")
    seen = next(iter(observed.runners_of(want.name, want.renamed_from)), None)
    if seen is None:
        return Condition(kind, Truth.FALSE, Reason.NO_RUNNER, "no runner")
    if seen.phase is not Phase.READY:
        message = f"{seen.phase.value}, {seen.progress:.0%}" if seen.alive else "its runner ended"
        return Condition(kind, Truth.FALSE, _PHASES[seen.phase], seen.reason or message)
    if seen.spec_digest != want.spec_digest:
        return Condition(kind, Truth.FALSE, Reason.OTHER_SPEC, "its runner runs another spec")
    return Condition(kind, Truth.FALSE, Reason.OTHER_WEIGHTS, "its runner loaded other weights")


def serving(want: WantedInstance, desired: DesiredState, observed: ObservedState) -> Condition:
    """Say whether a request for it is answered now, by whichever runner its route leads to."""
    kind = ConditionType.SERVING
    if desired.gateway is not None and observed.gateway is None:
        return Condition(kind, Truth.FALSE, Reason.NOT_LISTENING, "the gateway does not listen")
    routes = observed.surface.routes if observed.surface else ()
    names = (want.name, want.renamed_from)
    sockets = {each.socket for each in routes if each.instance in names}
    if not sockets:
        return Condition(kind, Truth.FALSE, Reason.NO_ROUTE, "no route leads to it yet")
    behind = [each for each in observed.runners if each.socket in sockets and each.alive]
    if not behind:
        return Condition(kind, Truth.FALSE, Reason.NO_RUNNER, "no runner behind its route")
    if all(each.phase is not Phase.READY for each in behind):
        phase = behind[0].phase
        return Condition(kind, Truth.FALSE, _PHASES[phase], f"its runner is {phase.value}")
    return Condition(kind, Truth.TRUE, Reason.ROUTED, f"serving as {want.identifier}")


def listening(desired: DesiredState, observed: ObservedState) -> Condition:
    """Say whether the gateway listens where it is declared to."""
    kind = ConditionType.SERVING
    seen = observed.gateway
    if seen is None:
        return Condition(kind, Truth.FALSE, Reason.NOT_LISTENING, "not listening")
    where = f"listening on {', '.join(seen.binds)}"
    if desired.gateway is not None and seen.digest != desired.gateway.digest:
        return Condition(kind, Truth.FALSE, Reason.OTHER_SPEC, f"{where}, not as declared")
    return Condition(kind, Truth.TRUE, Reason.LISTENING, where)
