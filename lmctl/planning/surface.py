"""What the gateway serves: routes, settings, limits; pure data the gateway reads from one file.

The daemon writes `surface.json` as a plan step, `health.json` after every turn and `tokens.json`
before it; gateway workers stat them on each request and read them again when they changed, so the data plane needs
no connection to the control plane.
"""

from typing import Any

import msgspec

from lmctl.base.custom_fields import CustomField


class ServedRoute(msgspec.Struct, frozen=True):
    """A public name and the runner behind it.

    `operation` are the instance's prediction defaults by full key (`llm.prediction.*`), layers
    already merged. `socket` may not exist yet: then requests are parked. `on_demand`: it was loaded
    for a request and may go again. `custom_fields` are the switches of its model; their values are
    in `operation`.
    """

    name: str
    instance: str
    model: str
    socket: str
    spec_digest: str
    operation: dict[str, Any] = {}
    on_demand: bool = False
    custom_fields: tuple[CustomField, ...] = ()


class Loadable(msgspec.Struct, frozen=True):
    """A public name whose model is not loaded, and may be by a request: that of a declared
    `instance`, or (empty) the key of a model that no instance uses.
    """

    name: str
    model: str
    instance: str = ""


class AliasTarget(msgspec.Struct, frozen=True):
    """An instance behind an alias; no weight means that the targets are tried in order."""

    instance: str
    weight: int | None = None

    def __str__(self) -> str:
        return self.instance if self.weight is None else f"{self.instance} {self.weight}"


class ServedAlias(msgspec.Struct, frozen=True):
    """Public names that lead to one of several instances: a Route called `name`. The settings of
    its `preset` count before those of the instances.
    """

    name: str
    names: tuple[str, ...]
    targets: tuple[AliasTarget, ...]
    fallback: tuple[str, ...] = ()
    preset: str = ""


class Cors(msgspec.Struct, frozen=True):
    """Whether browsers of other origins may call."""

    enabled: bool = False
    origins: tuple[str, ...] = ("*",)


class ServedToken(msgspec.Struct, frozen=True):
    """A token clients may show. `hash` is its SHA-256 in hexadecimal; empty where the control plane
    finds the token itself and tells its hash in `tokens.json`.
    """

    name: str
    scopes: tuple[str, ...] = ()
    hash: str = ""

    def __str__(self) -> str:
        known = f" (sha256 {self.hash[:8]})" if self.hash else ""
        return f"{self.name}{known}: {', '.join(self.scopes) or 'nothing'}"


class Access(msgspec.Struct, frozen=True):
    """Who may ask."""

    required: bool = False
    tokens: tuple[ServedToken, ...] = ()


class FoundToken(msgspec.Struct, frozen=True):
    """The hash of a token that was found where `reference` says."""

    hash: str
    reference: str


class FoundTokens(msgspec.Struct, frozen=True):
    """What is known of tokens that manifests only refer to, by name."""

    tokens: dict[str, FoundToken] = {}


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one gateway worker: body in bytes, deadlines in seconds; None is no limit."""

    body_size: int = 32 * 1024 * 1024
    body_timeout: float = 30.0
    concurrency: int = 512
    queue: int = 64
    queue_deadline: float = 30.0
    request_deadline: float | None = None


class Compat(msgspec.Struct, frozen=True):
    """What is answered as LM Studio does: the status of unknown endpoints, and whether a chat
    completion tells thoughts apart.
    """

    unknown_endpoint_status: int = 404
    separate_reasoning: bool = True


class Logs(msgspec.Struct, frozen=True):
    """What is logged of requests. `requests`: `off` (only what fails), `succinct` or `full`."""

    requests: str = "succinct"
    prompts: bool = False
    tokens: bool = False


class ToolRules(msgspec.Struct, frozen=True):
    """Which tool servers requests may use: those of mcp.json (`file`), and remote ones of their own
    (`per_request`), which must be public or in one of `private_networks`. An answer goes on after
    tools `rounds` times, a call takes `call_timeout` seconds and shows `max_output` bytes at most.
    """

    file: bool = False
    per_request: bool = False
    private_networks: tuple[str, ...] = ()
    rounds: int = 16
    call_timeout: float = 60.0
    max_output: int = 64 * 1024


class Retention(msgspec.Struct, frozen=True):
    """How long stored turns are kept: `keep` seconds after they were last gone on from, `most` of
    them at a time.
    """

    keep: float = 30 * 86400.0
    most: int = 100_000


class Surface(msgspec.Struct, frozen=True):
    """Everything a gateway needs to serve, and the generation it came from. For what is `loadable` a
    request may wait `load_deadline` seconds. `presets` are settings by full key, by the name a
    request may give.
    """

    generation: int = 0
    routes: tuple[ServedRoute, ...] = ()
    aliases: tuple[ServedAlias, ...] = ()
    loadable: tuple[Loadable, ...] = ()
    presets: dict[str, dict[str, Any]] = {}
    load_deadline: float = 600.0
    access: Access = Access()
    cors: Cors = Cors()
    limits: Limits = Limits()
    retention: Retention = Retention()
    tools: ToolRules = ToolRules()
    compat: Compat = Compat()
    logs: Logs = Logs()
    control_socket: str = ""


class InstanceHealth(msgspec.Struct, frozen=True):
    """What the control plane last knew of an instance. `phase`: `ready` while something serves it,
    `waiting` while it is being brought up, else `failed`, `stalled` or `suspended`.
    """

    name: str
    phase: str
    reason: str | None = None


class Health(msgspec.Struct, frozen=True):
    """What the control plane last knew; `resident` are the instances that should be
    serving whether somebody asks for them or not.
    """

    generation: int = 0
    resident: tuple[str, ...] = ()
    instances: tuple[InstanceHealth, ...] = ()


def surface_differs(wanted: Surface, seen: Surface | None) -> bool:
    """Say whether the gateway must be told something; a new generation alone is nothing."""
    return seen is None or content(wanted) != content(seen)


def content(surface: Surface) -> Surface:
    """Return a surface without the generation it came from."""
    return msgspec.structs.replace(surface, generation=0)
