"""Small worlds for planning tests: what is wanted, what is seen, and what a step leaves behind."""

import dataclasses
from collections.abc import Iterator

import msgspec

from lmctl.base.digests import digest
from lmctl.base.spec import LoadSettings, Phase
from lmctl.planning.desired import DesiredState, WantedGateway, WantedInstance
from lmctl.planning.end_stray import EndStray
from lmctl.planning.host_profile import Cores, Disk, HostProfile, Memory
from lmctl.planning.model_facts import AttentionLayers, ModelFacts
from lmctl.planning.observed import (
    ObservedState,
    SeenGateway,
    SeenRunner,
    SeenRuntime,
)
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
from lmctl.planning.rollout import checks_digest
from lmctl.planning.surface import ServedRoute, Surface
from lmctl.planning.wanted_runtimes import WantedRuntime
from lmctl.planning.weights_values import (
    FileSource,
    SeenWeights,
    StoredFile,
    StoredWeights,
    Weights,
    WeightsState,
)

MIB = 1024 * 1024
FACTS = ModelFacts(
    architecture="llama",
    context_length=8192,
    weights_size=98 * MIB,
    tensor_bytes=98 * MIB,
    attention=(AttentionLayers(layers=30, key=192, value=192),),
)
LOADED = (Phase.READY, Phase.PROVING)


def host(memory: int = 64 * 1024 * MIB) -> HostProfile:
    """A machine with that much memory, in bytes."""
    return HostProfile(
        "box", "linux", "x86_64", Cores(2, 2, 2.0), Memory(memory, memory), Disk(2**40, 2**40)
    )


def weights(name: str = "w1") -> Weights:
    return Weights(f"acme/{name}", (FileSource(f"/weights/{name}.gguf"),))


def stored(wanted: Weights, *, linked: bool = True) -> SeenWeights:
    file = StoredFile("model.gguf", digest(wanted.model), 98 * MIB, 1, 1)
    record = StoredWeights(wanted.key, wanted.model, "file", (file,), (), 0.0)
    return SeenWeights(wanted.key, WeightsState.STORED, record, linked)


def suspect(wanted: Weights) -> SeenWeights:
    return SeenWeights(
        wanted.key, WeightsState.SUSPECT, stored(wanted).stored, linked=True, reason="changed"
    )


def want(name: str = "chat", *, on: str = "w1", context: int = 4096) -> WantedInstance:
    load = LoadSettings(context_length=context)
    spec_digest = digest({"weights": weights(on).key, "load": load})
    return WantedInstance(
        name=name,
        identifier=name,
        model=f"acme/{on}",
        engine="llama.cpp",
        runtime="llama.cpp",
        weights=weights(on),
        load=load,
        spec_digest=spec_digest,
        socket=f"/run/{name}-{spec_digest[:8]}.sock",
    )


def seen(
    wanted: WantedInstance, phase: Phase = Phase.READY, *, uid: str = "", started_at: float = 1.0
) -> SeenRunner:
    """A runner of what is wanted."""
    return SeenRunner(
        name=wanted.name,
        uid=uid or f"{wanted.name}-{wanted.spec_digest[:6]}",
        spec_digest=wanted.spec_digest,
        phase=phase,
        model=wanted.model,
        pid=0 if phase is Phase.FAILED else 100,
        weights=(digest(wanted.weights.model),) if phase in LOADED else (),
        load=wanted.load,
        socket=wanted.socket,
        memory=200 * MIB,
        started_at=started_at,
        reason="killed by SIGKILL" if phase is Phase.FAILED else None,
        proven=checks_digest(wanted) if phase in (Phase.READY, Phase.DRAINING) else "",
    )


def gateway(port: int = 1234) -> WantedGateway:
    return WantedGateway("127.0.0.1", port, 1, f"gateway-{port}")


def seen_gateway(port: int = 1234) -> SeenGateway:
    return SeenGateway(7, f"gateway-{port}", (f"127.0.0.1:{port}",))


def surface_for(instances: tuple[WantedInstance, ...], generation: int = 1) -> Surface:
    routes = tuple(
        ServedRoute(each.identifier, each.name, each.model, each.socket, each.spec_digest)
        for each in instances
    )
    return Surface(generation=generation, routes=routes)


def desired(*instances: WantedInstance, port: int = 1234, generation: int = 1) -> DesiredState:
    by_key = {each.weights.key: each.weights for each in instances}
    return DesiredState(
        generation=generation,
        weights=tuple(by_key.values()),
        runtimes=(WantedRuntime("llama.cpp", "llama.cpp"),) if instances else (),
        instances=instances,
        gateway=gateway(port),
        surface=surface_for(instances, generation),
    )


def observed(
    *runners: SeenRunner,
    weights: tuple[SeenWeights, ...] = (),
    port: int | None = 1234,
    surface: Surface | None = None,
    runtimes: tuple[str, ...] = ("llama.cpp",),
) -> ObservedState:
    return ObservedState(
        weights={each.key: each for each in weights},
        facts={each.key: FACTS for each in weights},
        runtimes={name: SeenRuntime(name, "0.3.36") for name in runtimes},
        runners=runners,
        gateway=seen_gateway(port) if port is not None else None,
        surface=surface,
    )


def carry_out(step: Step, world: ObservedState) -> ObservedState:
    """What a step leaves behind when it goes well."""
    replace = msgspec.structs.replace
    match step:
        case EnsureRuntime(runtime):
            found = SeenRuntime(runtime.name, "0.3.36")
            return replace(world, runtimes={**world.runtimes, runtime.name: found})
        case FetchWeights(wanted) | VerifyWeights(wanted) | LinkWeights(wanted):
            return replace(world, weights={**world.weights, wanted.key: stored(wanted)})
        case StartGateway(wanted):
            return replace(world, gateway=SeenGateway(8, wanted.digest, ("127.0.0.1:1",)))
        case StopGateway():
            return replace(world, gateway=None)
        case EndStray(pid):
            left = tuple(each for each in world.strays if each.pid != pid)
            return replace(world, strays=left)
        case PublishSurface(surface) | SwitchRoute(_, _, surface):
            return replace(world, surface=surface)
    return replace(world, runners=tuple(_runners_after(step, world.runners)))


def _runners_after(step: Step, runners: tuple[SeenRunner, ...]) -> Iterator[SeenRunner]:
    replace = msgspec.structs.replace
    match step:
        case LoadInstance(instance):
            here = (instance.name, instance.spec_digest)
            yield from (
                each
                for each in runners
                if (each.name, each.spec_digest) != here
                and not (each.retired and each.name == instance.name)
            )
            yield seen(instance, started_at=9.0)
        case UnloadInstance(_, uid, _, retire):
            for each in runners:
                if each.uid != uid:
                    yield each
                elif retire:
                    yield replace(each, phase=Phase.FAILED, pid=0, retired=True)
        case RenameInstance(name, uid, _):
            yield from (replace(each, name=name) if each.uid == uid else each for each in runners)
        case RestoreInstance(_, uid):
            back = {"phase": Phase.READY, "pid": 100, "retired": False}
            yield from (replace(each, **back) if each.uid == uid else each for each in runners)


def with_surface(goal: DesiredState, surface: Surface) -> DesiredState:
    return dataclasses.replace(goal, surface=surface)
