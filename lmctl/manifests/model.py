"""`model.yaml`, LM Studio's own file (modelyaml.org): read to the last field, never rewritten."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from lmctl.manifests.custom_fields import CustomField
from lmctl.manifests.envelope import (
    HOT,
    IDENTITY,
    RELOAD,
    REPLACE,
    Items,
    ModelKey,
    NativeNode,
    NonEmpty,
    distinct,
)
from lmctl.manifests.rules import show
from lmctl.manifests.settings_fields import (
    LoadField,
    OperationField,
    SettingField,
    flat,
)
from lmctl.manifests.sources import Source


class BaseEntry(NativeNode):
    """One set of weights a model can be made of."""

    key: NonEmpty
    """Identity of these weights once they are here."""
    sources: Annotated[Items[Source], Field(min_length=1)]
    """Where to get them, tried in this order."""


def _form(value: Any) -> Literal["chain", "list"]:
    return "chain" if isinstance(value, str) else "list"


Base = Annotated[
    Annotated[ModelKey, Tag("chain")]
    | Annotated[Items[BaseEntry], Field(min_length=1), Tag("list")],
    Discriminator(_form),
]


class LoadConfig(NativeNode):
    """Settings for loading."""

    fields_: Annotated[Items[LoadField], distinct("key")] = Field((), alias="fields")
    """Settings as key and value."""


class OperationConfig(NativeNode):
    """Settings for prediction."""

    fields_: Annotated[Items[OperationField], distinct("key")] = Field((), alias="fields")
    """Settings as key and value."""


class Config(NativeNode):
    """Settings this model brings along."""

    load: Annotated[LoadConfig, RELOAD] = LoadConfig()
    """Settings for loading."""
    operation: OperationConfig = OperationConfig()
    """Settings for prediction, the defaults below everything an Instance or a request says."""


def _mixed(value: Any) -> Any:
    if value is True or value is False or value == "mixed":
        return value
    raise ValueError(f"expected true, false or `mixed`, found {show(value)}")


Mixed = Annotated[
    bool | Literal["mixed"],
    PlainValidator(_mixed),
    WithJsonSchema({"enum": [True, False, "mixed"]}),
]


class MetadataOverrides(NativeNode):
    """What is shown about the model; changes nothing in how it works."""

    domain: Literal["llm", "embedding", "drafter", "imageGen", "transcription", "tts"] | None = None
    """What kind of model this is."""
    architectures: Items[str] = ()
    """Names of the architectures."""
    compatibility_types: Items[
        Literal[
            "gguf", "safetensors", "onnx", "ggml", "pte", "mlx_placeholder", "torch_safetensors"
        ]
    ] = ()
    """Formats of the weights."""
    params_strings: Items[str] = ()
    """Numbers of parameters as people say them, such as `7B`."""
    min_memory_usage_bytes: Annotated[float, Field(ge=0)] | None = None
    """Memory needed at least, in bytes."""
    context_lengths: Items[Annotated[float, Field(gt=0)]] = ()
    """Context lengths the model was made for, in tokens."""
    trained_for_tool_use: Mixed | None = None
    """Whether the model was trained to call tools."""
    vision: Mixed | None = None
    """Whether the model reads images."""
    reasoning: Mixed | None = None
    """Whether the model thinks before it answers."""
    fim: Mixed | None = None
    """Whether the model fills in the middle of a text."""
    preferred_max_image_dimension_pixels: Annotated[int, Field(ge=1)] | None = None
    """Longest side images are scaled down to, in pixels."""


class Condition(NativeNode):
    """When a suggestion is shown."""

    type: Literal["equals"]
    """Kind of comparison."""
    key: Annotated[str, Field(pattern=r"^\$\..+")]
    """Custom field to look at, as `$.name`."""
    value: Any
    """Value it must have."""


class Suggestion(NativeNode):
    """Advice shown while all conditions hold."""

    message: str
    """Words to show."""
    conditions: Items[Condition] = ()
    """What must hold, all of it."""
    fields_: Items[SettingField] = Field((), alias="fields")
    """Settings advised; the suggestion is hidden once all of them are so."""


class Model(NativeNode):
    """One model.yaml."""

    kind: ClassVar[str] = "Model"

    model: Annotated[ModelKey, IDENTITY]
    """Identity of the model: `publisher/name`."""
    base: Annotated[Base, REPLACE]
    """What it is made of: a list of weights to choose from, or the key of another model."""
    tags: Annotated[Items[Annotated[str, Field(max_length=100)]], HOT] = ()
    """Words to find it by."""
    config: Annotated[Config, HOT] = Config()
    """Settings this model brings along."""
    metadata_overrides: Annotated[MetadataOverrides, HOT] = MetadataOverrides()
    """What is shown about the model."""
    custom_fields: Annotated[Items[CustomField], distinct("key"), HOT] = ()
    """Switches a user of this model can turn."""
    suggestions: Annotated[Items[Suggestion], HOT] = ()
    """Advice shown under conditions."""

    @property
    def name(self) -> str:
        return self.model

    @property
    def load(self) -> dict[str, Any]:
        """Return the load settings as `{full key: value}`, None for an unchecked checkbox."""
        return flat(self.config.load.fields_)

    @property
    def operation(self) -> dict[str, Any]:
        """Return the prediction settings as `{full key: value}`, None for an unchecked checkbox."""
        return flat(self.config.operation.fields_)
