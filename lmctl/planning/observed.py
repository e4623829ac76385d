"""What was seen, once, from every adapter. Already old when it is read; never called *actual*.

Plain values all of them: a look can be printed, compared and thrown away.
"""

from collections.abc import Iterable

import msgspec

from lmctl.base.spec import FailureKind, LoadSettings, Phase
from lmctl.planning.fit.learned import MemoryPeak
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.seen_tools import SeenToolServer
from lmctl.planning.surface import Surface
from lmctl.planning.weights_values import SeenWeights, Weights, WeightsState


class SeenRuntime(msgspec.Struct, frozen=True):
    """A build of an engine that passed its self-test; `version` is the package's."""

    name: str
    version: str


class SeenRunner(msgspec.Struct, frozen=True):
    """A runner process, or what one left behind (phase FAILED, pid 0).

    `proven` is the digest of the checks it passed, empty before it passed any. `attempt` names what
    it was started for (`rollout.attempt_of`). `retired`: it was ended on purpose, to make room for
    its replacement, and can be started again as it was; never said of one that still runs. `hung`
    says how it hangs, empty when it does not; `silent` that it answers nobody, so that only its end
    can be asked of it. `spoiled`: a file it has loaded was found damaged on the disk after it had
    started. `build` says of which package and version its engine is, empty for the bundled one.
    """

    name: str
    uid: str
    spec_digest: str
    phase: Phase
    model: str = ""
    engine: str = ""
    pid: int = 0
    weights: tuple[str, ...] = ()
    load: LoadSettings = LoadSettings()
    max_drain: float = 30.0
    socket: str = ""
    progress: float = 0.0
    memory: int = 0
    memory_peak: int = 0
    memory_loaded: int = 0
    widest_step: int = 0
    running: int = 0
    queued: int = 0
    parallel: int = 0
    tokens: int = 0
    requests: int = 0
    started_at: float = 0.0
    reason: str | None = None
    failure: FailureKind | None = None
    proven: str = ""
    attempt: str = ""
    retired: bool = False
    hung: str = ""
    silent: bool = False
    idle: float = 0.0
    spoiled: bool = False
    build: str = ""

    @property
    def alive(self) -> bool:
        return self.phase is not Phase.FAILED and not self.retired


class SeenGateway(msgspec.Struct, frozen=True):
    """A listening gateway: its pid, the digest it was started with, its addresses, how many workers
    it has (0 when it did not say); `hung` says how it hangs, empty when it does not. `shares`:
    another one can listen at its port beside it.
    """

    pid: int
    digest: str
    binds: tuple[str, ...] = ()
    started_at: float = 0.0
    hung: str = ""
    workers: int = 0
    shares: bool = False

    @property
    def key(self) -> str:
        """Return what its health is known by."""
        return f"gateway#{self.pid}"


class SeenStray(msgspec.Struct, frozen=True):
    """A process of this home that nobody keeps track of: `what` it is, and whether somebody stopped
    it (SIGSTOP), so that it would not hear.
    """

    pid: int
    started_at: float
    what: str
    stopped: bool = False


class ObservedState(msgspec.Struct, frozen=True):
    """Everything seen in one look.

    Weights, facts of their headers, and download sizes (bytes, where known) are by weights key.
    `host` is what the machine has (None when nobody looked), `peaks` what was measured of runners on
    it, now or before. `converged`
    remembers, by subject, the digest of what was wanted when it was last seen to be so.
    `source_files` are the files that absent weights come from, by path, with a mark that changes
    when they do.
    """

    weights: dict[str, SeenWeights] = {}
    facts: dict[str, ModelFacts] = {}
    downloads: dict[str, int] = {}
    runtimes: dict[str, SeenRuntime] = {}
    runners: tuple[SeenRunner, ...] = ()
    gateway: SeenGateway | None = None
    surface: Surface | None = None
    host: HostProfile | None = None
    peaks: tuple[MemoryPeak, ...] = ()
    converged: dict[str, str] = {}
    source_files: dict[str, str] = {}
    strays: tuple[SeenStray, ...] = ()
    tool_servers: tuple[SeenToolServer, ...] = ()

    def seen_weights(self, key: str) -> SeenWeights:
        """Return what is known of a set of weights; absent when nothing is."""
        return self.weights.get(key) or SeenWeights(key, WeightsState.ABSENT)

    def version_of(self, runner: SeenRunner) -> str:
        """Return the version of the engine's package a runner runs; empty when not known."""
        if runner.build:
            return runner.build.rpartition(" ")[2]
        runtime = self.runtimes.get(runner.engine)
        return runtime.version if runtime else ""

    def sha256_of(self, key: str) -> tuple[str, ...]:
        """Return the digests of a set of weights on disk, in order; empty when not stored."""
        stored = self.seen_weights(key).stored
        return tuple(each.sha256 for each in stored.files) if stored else ()

    def sha256_of_all(self, weights: Iterable[Weights]) -> tuple[str, ...]:
        """Return the digests of several sets of weights, in order, as far as they are stored."""
        return tuple(digest for each in weights for digest in self.sha256_of(each.key))

    def runners_of(self, *names: str | None) -> tuple[SeenRunner, ...]:
        """Return the runners of an instance, live ones first, newest first."""
        found = [each for each in self.runners if each.name in names]
        return tuple(sorted(found, key=lambda each: (not each.alive, -each.started_at, each.uid)))
