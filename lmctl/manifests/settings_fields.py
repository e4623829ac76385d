"""Settings as LM Studio's files write them: a list of `{key, value}`."""

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from lmctl.manifests import suggest
from lmctl.manifests.envelope import NativeNode
from lmctl.manifests.settings_keys import CUSTOM_FIELD_PREFIX, SETTINGS, Section, by_key, validate

_KEYS = tuple(each.key for each in SETTINGS)


class SettingField(NativeNode):
    """A setting by its full key."""

    sections: ClassVar[frozenset[Section]] = frozenset(Section)

    key: str
    """Full key, such as `llm.prediction.temperature`."""
    value: Any
    """Value; `{checked, value}` for settings that can be turned off."""

    @field_validator("key")
    @classmethod
    def _known(cls, key: str) -> str:
        setting = by_key(key)
        if key.startswith(CUSTOM_FIELD_PREFIX):
            return key
        if setting is None:
            raise PydanticCustomError(
                "settings",
                "{message}",
                {"message": f"unknown key `{key}`", "hint": suggest.hint(key, _KEYS, what="keys")},
            )
        if setting.section not in cls.sections:
            raise PydanticCustomError(
                "settings",
                "{message}",
                {
                    "message": f"`{key}` is a {setting.section} setting",
                    "hint": f"move it to `config.{setting.section}.fields`",
                },
            )
        return key

    @field_validator("value")
    @classmethod
    def _normal(cls, value: Any, info: ValidationInfo) -> Any:
        key = info.data.get("key")  # absent if the key itself is wrong, which is told already
        return value if key is None else validate(key, value)


class LoadField(SettingField):
    """A setting for loading."""

    sections: ClassVar[frozenset[Section]] = frozenset({Section.LOAD})


class OperationField(SettingField):
    """A setting for prediction or for chat with documents."""

    sections: ClassVar[frozenset[Section]] = frozenset({Section.OPERATION, Section.RETRIEVAL})


def flat(fields: Iterable[SettingField]) -> dict[str, Any]:
    """Return `{full key: value}`."""
    return {each.key: each.value for each in fields}
