"""`*.preset.json`: LM Studio's presets, read leniently; the old 0.2 form counts as well."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from lmctl.manifests.envelope import HOT, IDENTITY, NativeNode, NonEmpty
from lmctl.manifests.legacy_preset import legacy_settings
from lmctl.manifests.settings_keys import CUSTOM_FIELD_PREFIX, Section, by_key, validate


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
    """Settings for loading; they count for nothing, as in LM Studio: an Instance has its own."""
    inference_params: Annotated[Mapping[str, Any], HOT] = Field(
        default_factory=dict, alias="inference_params"
    )
    """Settings of an LM Studio 0.2 file: what they are called today counts, below `operation`."""
    load_params: Annotated[Mapping[str, Any], HOT] = Field(
        default_factory=dict, alias="load_params"
    )
    """Settings for loading of an LM Studio 0.2 file; they count for nothing."""

    @property
    def name(self) -> str:
        return self.identifier

    @property
    def settings(self) -> dict[str, Any]:
        """Return what counts as `{full key: value}`, None for an unchecked checkbox; what cannot be
        used is left out, see `troubles`.
        """
        found = dict(legacy_settings(self.inference_params).settings)
        for each in self.operation.fields_:
            with contextlib.suppress(ValueError):
                found[each.key] = _checked(each)
        return found

    def troubles(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield where something stands that is passed over, and why."""
        for index, each in enumerate(self.operation.fields_):
            try:
                _checked(each)
            except ValueError as error:
                name = "value" if by_key(each.key) else "key"
                yield ("operation", "fields", index, name), str(error)
        legacy = legacy_settings(self.inference_params)
        for name, why in legacy.wrong.items():
            yield ("inference_params", name), why
        if legacy.unknown:
            yield ("inference_params",), f"nothing today is {', '.join(legacy.unknown)}"
        for path in ("load", "load_params"):
            if self.load.fields_ if path == "load" else self.load_params:
                yield (path,), "counts for nothing, since a preset is for what is already loaded"


def _checked(field: RawField) -> Any:
    """Return the normal form of a value. Raises ValueError for what counts for nothing in a preset."""
    setting = by_key(field.key)
    if setting is not None and setting.section is not Section.OPERATION:
        raise ValueError(f"`{field.key}` is a {setting.section} setting")
    if field.key.startswith(CUSTOM_FIELD_PREFIX):
        return field.value
    return validate(field.key, field.value)
