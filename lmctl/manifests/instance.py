"""`Instance`: a model that should be loaded, with these settings, under this name."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lmctl.manifests.checks import Check
from lmctl.manifests.drift import DriftPolicy
from lmctl.manifests.envelope import (
    HOT,
    IDENTITY,
    RELOAD,
    REPLACE,
    Duration,
    Envelope,
    Items,
    Node,
    NonEmpty,
    ObjectName,
    Size,
    complaint,
)
from lmctl.manifests.settings_block import SettingsBlock
from lmctl.manifests.settings_keys import Section

PRESET = "preset"
ModelReference = Annotated[str, Field(pattern=r"^[^/@\s]+/[^/@\s]+(@[^/@\s]+)?$")]


class Residency(Node):
    """How long an instance stays loaded."""

    mode: Literal["pinned", "jit"] = "pinned"
    """`pinned` stays loaded, `jit` is loaded by the first request."""
    ttl: Duration | None = None
    """How long a `jit` instance stays without requests; the server's `jit.ttl` if left out."""
    priority: int = 0
    """Who stays when memory is short: the higher number."""
    keep_prefixes: Annotated[bool, RELOAD] = False
    """Whether what was read of prompts is saved to disk when it is unloaded, and there again when it is loaded."""

    @model_validator(mode="after")
    def _only_jit_ends(self) -> Self:
        if self.ttl is not None and self.mode == "pinned":
            hint = "a pinned instance stays loaded: set the mode, or leave `ttl` out"
            raise complaint("needs `mode: jit`", "ttl", hint=hint)
        return self


class Strategy(Node):
    """How a changed instance takes the place of the running one."""

    type: Literal["auto", "surge", "drain"] = "auto"
    """`surge` loads the new one first, `drain` unloads the old one first, `auto` goes by memory."""
    max_drain: Duration = 30.0
    """How long running requests may take before they are ended."""
    max_load: Annotated[Duration, Field(gt=0)] = 600.0
    """How long the new one may take to load; then it counts as failed."""
    on_failure: Literal["keepOld"] = "keepOld"
    """What happens if the new one does not come up."""


class Memory(Node):
    """How much memory an instance may take."""

    budget: Annotated[Size, Field(gt=0)] | None = None
    """Memory it may use, of the machine and of GPUs together; what lmctl estimates if left out."""
    over_budget: Literal["report", "recycle"] = "report"
    """What lmctl does when it uses more than `budget`: `report` it, or `recycle` it once it is idle."""


class Placement(Node):
    """Which machines may hold the instance."""

    labels: Mapping[str, str] = Field(default_factory=dict)
    """Labels a machine must have."""


class InstanceSpec(Node):
    """What an instance should be."""

    model: Annotated[ModelReference, REPLACE]
    """Key of the model, or `key@variant` to choose among its variants."""
    identifier: NonEmpty | None = None
    """Name clients use; the model's key if left out."""
    runtime: Annotated[NonEmpty | None, Field(examples=["llama.cpp"]), REPLACE] = None
    """Name of a Runtime, or a bundled one (`llama.cpp`, `mlx`, `echo`); what runs the model's format if left out."""
    load: Annotated[Mapping[str, Any], SettingsBlock(Section.LOAD), RELOAD] = Field(
        default_factory=dict
    )
    """Settings for loading, by SDK name; a change starts a new process."""
    operation_block: Annotated[
        Mapping[str, Any],
        SettingsBlock(
            Section.OPERATION, {PRESET: "Name of a preset whose settings lie below these."}
        ),
    ] = Field(default_factory=dict, alias="operation")
    """Prediction defaults, by SDK name; a change counts from the next request."""
    custom_fields: Mapping[str, Any] = Field(default_factory=dict)
    """Values for the model's custom fields."""
    residency: Residency = Residency()
    """How long it stays loaded."""
    strategy: Strategy = Strategy()
    """How a change takes its place."""
    checks: Items[Check] = ()
    """Questions it must answer well before it serves."""
    memory: Memory = Memory()
    """How much memory it may take."""
    drift: DriftPolicy | None = None
    """What lmctl does when it moves away without an edit; the Server's `reconcile.drift` if left out."""
    placement: Placement = Placement()
    """Which machines may hold it."""
    suspend: bool = False
    """Whether lmctl should leave it as it is."""
    renamed_from: ObjectName | None = None
    """Name it had before, so that a rename is no restart."""

    @property
    def operation(self) -> dict[str, Any]:
        """Return the prediction defaults as `{full key: value}`, None for one turned off."""
        return {key: each for key, each in self.operation_block.items() if key != PRESET}

    @property
    def preset(self) -> str | None:
        """Return the name of the preset, if one is named."""
        return self.operation_block.get(PRESET)

    @property
    def model_key(self) -> str:
        """Return the model's key without the variant."""
        return self.model.partition("@")[0]

    @property
    def variant(self) -> str | None:
        """Return the variant asked for, if one is."""
        return self.model.partition("@")[2] or None


class Instance(Envelope):
    """A model that should be loaded."""

    kind: Annotated[Literal["Instance"], IDENTITY]
    """Kind of object."""
    spec: Annotated[InstanceSpec, HOT]
    """What it should be."""

    @property
    def identifier(self) -> str:
        """Return the name clients use."""
        return self.spec.identifier or self.spec.model_key
