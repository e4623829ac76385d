"""What a step was planned upon: how its subject looked, without what changes from look to look."""

from dataclasses import replace
from typing import Any

from lmctl.base.digests import digest, short
from lmctl.planning.end_stray import EndStray
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.plan import (
    EnsureRuntime,
    FetchWeights,
    LinkWeights,
    LoadInstance,
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
from lmctl.planning.surface import content
from lmctl.planning.weights_values import Weights


def content_of(step: Step) -> Any:
    """Return all that a step says it does, without the generation and the lines it comes from."""
    match step:
        case LoadInstance(instance):
            return ("load", replace(instance, places={}))
        case PublishSurface(surface):
            return ("publish", content(surface))
        case SwitchRoute(name, spec_digest, surface):
            return ("switch", name, spec_digest, content(surface))
    return (step.key, step)


def seen_of(step: Step, observed: ObservedState) -> tuple[Any, str]:
    """Return how the subject of a step looks: as a value, and in words."""
    match step:
        case FetchWeights(weights) | VerifyWeights(weights) | LinkWeights(weights):
            return _weights(weights, observed)
        case EnsureRuntime(runtime):
            seen = observed.runtimes.get(runtime.name)
            return (seen.version if seen else None), f"version {seen.version}" if seen else "absent"
        case LoadInstance(instance):
            return _runners(observed.runners_of(instance.name, instance.renamed_from))
        case UnloadInstance(name) | RenameInstance(name) | RestoreInstance(name):
            return _runners(observed.runners_of(name))
        case EndStray(pid, started_at):
            there = any((e.pid, e.started_at) == (pid, started_at) for e in observed.strays)
            return there, f"process {pid} {'running' if there else 'gone'}"
        case StartGateway() | StopGateway():
            gateway = observed.gateway
            if gateway is None:
                return None, "nobody listening"
            return (gateway.pid, gateway.digest), f"process {gateway.pid} listening"
        case PublishSurface() | SwitchRoute():
            surface = observed.surface
            if surface is None:
                return None, "no routes"
            found = digest(content(surface))
            return found, f"routes and settings {short(found)}"


def _weights(weights: Weights, observed: ObservedState) -> tuple[Any, str]:
    seen = observed.seen_weights(weights.key)
    files = observed.sha256_of(weights.key)
    return (seen.state, seen.linked, files), " ".join([seen.state, *map(short, files)])


def _runners(runners: tuple[SeenRunner, ...]) -> tuple[Any, str]:
    values = sorted(
        (each.uid, each.spec_digest, each.phase, each.proven, each.retired) for each in runners
    )
    words = ", ".join(f"runner {each.uid} {each.phase}" for each in runners)
    return values, words or "no runner"
