"""Which builds of engines should be there, and which of them runs what."""

from collections.abc import Iterable

from lmctl.manifests.bundle import Bundle
from lmctl.manifests.envelope import plain
from lmctl.manifests.instance import Instance
from lmctl.manifests.runtime import BUNDLED, Runtime
from lmctl.planning.formats import runtime_for
from lmctl.planning.wanted_runtimes import Build, WantedRuntime
from lmctl.planning.wanted_tools import referred_to
from lmctl.planning.weights_values import Weights


def runtime_named(bundle: Bundle, name: str) -> WantedRuntime:
    """Return a runtime that is bundled or declared. Raises KeyError for any other name."""
    if name in BUNDLED:
        return WantedRuntime(name, BUNDLED[name])
    return _declared(bundle, bundle.runtimes[name])


def runtime_of(bundle: Bundle, instance: Instance, weights: Weights) -> WantedRuntime | None:
    """Return what runs an instance; None where it names a runtime that is not there."""
    name = runtime_for(bundle, instance, weights)
    known = name in BUNDLED or name in bundle.runtimes
    return runtime_named(bundle, name) if known else None


def wanted_runtimes(bundle: Bundle, used: Iterable[str]) -> tuple[WantedRuntime, ...]:
    """Return, by name, the bundled runtimes that something uses and all that are declared."""
    names = sorted({*used, *bundle.runtimes})
    return tuple(runtime_named(bundle, each) for each in names)


def _declared(bundle: Bundle, runtime: Runtime) -> WantedRuntime:
    spec, known = runtime.spec, bundle.server.spec.secrets
    names = sorted(referred_to(spec.environment.values()) & known.keys())
    secrets = {each: plain(known[each]) for each in names}
    build = Build(spec.package, spec.version, spec.build_flags, dict(spec.environment), secrets)
    return WantedRuntime(runtime.metadata.name, spec.engine, build)
