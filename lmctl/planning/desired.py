"""What should be: every choice made, nothing left to decide but the steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lmctl.base.spec import EngineName, LoadSettings
from lmctl.planning.surface import Surface
from lmctl.planning.weights_values import Weights


@dataclass(frozen=True, slots=True)
class WantedRuntime:
    """An engine build some instance needs, e.g. `llama.cpp`."""

    name: str
    engine: EngineName


@dataclass(frozen=True, slots=True)
class WantedInstance:
    """Weights that should be loaded with these settings.

    `spec_digest` covers everything that needs a new process when it changes: engine, weights,
    load settings. `operation` (prediction defaults by full key) is hot and not part of it.
    """

    name: str
    identifier: str
    model: str
    engine: EngineName
    runtime: str
    weights: Weights
    load: LoadSettings
    spec_digest: str
    socket: str
    max_drain: float = 30.0
    queue: int = 64
    queue_deadline: float = 30.0
    operation: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WantedGateway:
    """The process that listens; a change of any field needs a new one."""

    host: str
    port: int
    workers: int
    digest: str

    @property
    def url(self) -> str:
        """Return where clients on this machine reach it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "") else self.host  # noqa: S104 # compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DesiredState:
    """One reading of the manifests, resolved for this host."""

    generation: int
    weights: tuple[Weights, ...] = ()
    runtimes: tuple[WantedRuntime, ...] = ()
    instances: tuple[WantedInstance, ...] = ()
    gateway: WantedGateway | None = None
    surface: Surface | None = None
