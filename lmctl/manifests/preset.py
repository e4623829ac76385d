"""`*.preset.json`: LM Studio's presets, read leniently; the old 0.2 form counts as well."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from lmctl.manifests.envelope import HOT, IDENTITY, NativeNode, NonEmpty


class RawField(NativeNode):
    """A setting by its full key, as it was written."""

    key: str
    """Full key, such as `llm.prediction.temperature`."""
    value: Any = None
    """Value as written; `{checked, value}` for settings that can be turned off."""


class RawFields(NativeNode):
    """A list of settings."""

    fields_: tuple[RawField, ...] = Field((), alias="fields", strict=False)
    """Settings as key and value."""


class Preset(NativeNode):
    """One preset file."""

    kind: ClassVar[str] = "Preset"

    identifier: Annotated[NonEmpty, IDENTITY]
    """Identity of the preset, such as `@local:terse`; the file's name if left out."""
    display_name: Annotated[str, HOT] = Field("", alias="name")
    """Name shown to people."""
    operation: Annotated[RawFields, HOT] = RawFields()
    """Settings for prediction."""
    load: Annotated[RawFields, HOT] = RawFields()
    """Settings for loading; LM Studio writes none and ignores them."""
    inference_params: Annotated[Mapping[str, Any], HOT] = Field(
        default_factory=dict, alias="inference_params"
    )
    """Settings of an LM Studio 0.2 file."""

    @property
    def name(self) -> str:
        return self.identifier
