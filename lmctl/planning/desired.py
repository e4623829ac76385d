"""What should be: every choice made, nothing left to decide but the steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import msgspec

from lmctl.base.custom_fields import CustomField
from lmctl.base.spec import EngineName, LoadSettings
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.surface import Surface
from lmctl.planning.wanted_runtimes import Build, WantedRuntime
from lmctl.planning.wanted_tools import WantedToolServer
from lmctl.planning.weights_values import Weights

Owner = Literal["fleet", "manual", "jit"]


class DriftPolicy(StrEnum):
    """What to do when something moved away although nobody edited anything."""

    CORRECT = "correct"
    REPORT = "report"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Check:
    """A question a runner must answer well before clients are sent to it: the answer holds `regex`
    or is JSON that fits `json_schema` (None asks for any answer) within `max_seconds`.
    """

    prompt: str
    regex: str | None = None
    json_schema: Mapping[str, Any] | None = None
    max_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class WantedInstance:
    """Weights that should be loaded with these settings.

    `spec_digest` covers everything that needs a new process when it changes: engine, weights,
    load settings. `operation` (prediction defaults by full key) and what `custom_fields` the model has
    are hot and not part of it.
    `places` says where values stand (`file:line`) by path in the manifest (`load.contextLength`;
    `` for the object itself). `renamed_from` is the name its runner may still have. A
    load, and then a first token, may take `max_load` seconds each. `memory` is how much it may use
    in bytes, None for what is estimated; with too little for all the higher `priority` stays. `owner` is
    `fleet` for what manifests declare, `manual` for what a person loaded and `jit` for what requests
    load; these are unloaded after `ttl` idle seconds. `draft` is what is loaded beside to guess tokens,
    if a model of its own does. `build` is of its runtime, None where that is bundled.
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
    strategy: Literal["auto", "surge", "drain"] = "auto"
    checks: tuple[Check, ...] = ()
    max_load: float = 600.0
    drift: DriftPolicy = DriftPolicy.CORRECT
    renamed_from: str | None = None
    owner: Owner = "fleet"
    ttl: float | None = None
    priority: int = 0
    memory: int | None = None
    recycle: bool = False
    places: Mapping[str, str] = field(default_factory=dict)
    draft: Weights | None = None
    custom_fields: tuple[CustomField, ...] = ()
    build: Build | None = None

    @property
    def all_weights(self) -> tuple[Weights, ...]:
        """Return all that is loaded, the model itself first."""
        return (self.weights, self.draft) if self.draft is not None else (self.weights,)


class Leaving(msgspec.Struct, frozen=True, rename="camel"):
    """Why a load is over, told until its process is gone. `makes_way`: for another one, which is
    loaded only then.
    """

    reason: str
    makes_way: bool = False


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Whether requests load what they name, and whether only the last one loaded so stays: of all,
    or the last language model and the last embedding model.
    """

    enabled: bool = True
    keep_only_last: bool = True
    per_type: bool = True


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
    """One reading of the manifests, resolved for this host.

    `drift` is the policy of all that has none of its own. `suspended` are the subjects that are to
    be left as they are (`instance/chat`, or `box` for all), with who asked for it and why.
    `scrub` is how often stored weights are hashed again, in seconds.
    `only`: nothing but these objects, and what they need, is to be worked on; empty for all.
    `places` says, by object, where it and its fields stand (`file:line`), by path in its manifest.
    Without `prune` what is no longer declared stays as it is. `taken_over` are loads by hand that a
    file declares now, with the name of the instance that does. `asleep` are declared instances that
    the first request loads; `leaving` is what was loaded on request and is over, by name.
    `tool_servers` are to be hosted; those that are `tool_servers_off` are declared, and no request may
    use them.
    """

    generation: int
    weights: tuple[Weights, ...] = ()
    runtimes: tuple[WantedRuntime, ...] = ()
    instances: tuple[WantedInstance, ...] = ()
    gateway: WantedGateway | None = None
    surface: Surface | None = None
    drift: DriftPolicy = DriftPolicy.CORRECT
    scrub: float = 7 * 86400.0
    prune: bool = True
    taken_over: Mapping[str, str] = field(default_factory=dict)
    asleep: tuple[WantedInstance, ...] = ()
    leaving: Mapping[str, Leaving] = field(default_factory=dict)
    on_demand: OnDemand = OnDemand()
    guardrails: Guardrails = field(default_factory=Guardrails)
    tool_servers: tuple[WantedToolServer, ...] = ()
    tool_servers_off: tuple[str, ...] = ()
    suspended: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] = frozenset()
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
