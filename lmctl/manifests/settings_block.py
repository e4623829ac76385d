"""A pydantic type for a mapping of settings by SDK name; its value is the flat form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from lmctl.manifests import settings_table
from lmctl.manifests.envelope import CHANGE
from lmctl.manifests.rules import Kind, Rule, show
from lmctl.manifests.settings_keys import (
    GPU_FIELDS,
    OWN_DEFAULTS,
    SETTINGS,
    Domain,
    Section,
    Setting,
    Trouble,
    aliases,
    flatten_all,
)

_TYPES = {
    Kind.NUMBER: "number",
    Kind.INTEGER: "integer",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT: "string",
    Kind.LIST: "array",
    Kind.LOGIT_BIAS: "array",
    Kind.OBJECT: "object",
    Kind.TEXT_MAP: "object",
}


@dataclass(frozen=True, slots=True)
class SettingsBlock:
    """Annotates a mapping field: settings by SDK name come in, `{full key: value}` comes out.

    `extra` names further entries of the block that are no settings; they keep their name.
    """

    section: Section
    extra: Mapping[str, str] | None = None

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, _core: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return block_schema(self.section, self.extra or {})

    def __hash__(self) -> int:
        return hash(self.section)

    def _validate(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "settings", "expected a mapping, found {found}", {"found": show(value)}
            )
        extra = self.extra or {}
        flat, troubles = flatten_all(
            {name: each for name, each in value.items() if name not in extra}, self.section
        )
        for name in (each for each in extra if each in value):
            if isinstance(value[name], str) and value[name]:
                flat[name] = value[name]
            else:
                troubles.append(Trouble((name,), f"expected text, found {show(value[name])}"))
        if troubles:
            raise ValidationError.from_exception_data(
                "settings", [_line(each) for each in troubles]
            )
        return flat


def _line(trouble: Trouble) -> InitErrorDetails:
    # The words go in as context: a template of its own would read their braces.
    kind = PydanticCustomError(
        "settings", "{message}", {"message": trouble.message, "hint": trouble.hint}
    )
    return {"type": kind, "loc": trouble.path, "input": None}


def block_schema(section: Section, extra: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON Schema of a block: every setting with its description and default."""
    properties: dict[str, Any] = {}
    gpu: dict[str, Any] = {}
    for each in SETTINGS:
        if (each.section, each.domain) == (section, Domain.LLM):
            head, _, tail = each.name.rpartition(".")
            (gpu if head else properties)[tail] = setting_schema(each)
    for alias, setting in aliases(section).items():
        properties[alias] = setting_schema(setting)
    if gpu:
        properties["gpu"] = _gpu_schema(gpu)
    for name, text in extra.items():
        properties[name] = {"type": "string", "minLength": 1, "description": text, "default": None}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def setting_schema(setting: Setting) -> dict[str, Any]:
    """Return the JSON Schema of one setting as it is written in an Instance."""
    default = OWN_DEFAULTS.get(setting.key, setting.default)
    schema = rule_schema(setting.rule, default)
    if setting.checkbox:
        schema = {"anyOf": [schema, {"const": False}, {"type": "null"}]}
    formats = [name for name, on in (("GGUF", setting.gguf), ("MLX", setting.mlx)) if on]
    schema["description"] = f"`{setting.key}`: {setting.expectation}. For {' and '.join(formats)}."
    schema["default"] = False if setting.checkbox and default is None else default
    schema[CHANGE] = str(setting.change)
    return schema


def rule_schema(rule: Rule, default: Any = None) -> dict[str, Any]:
    """Return the JSON Schema of a rule; the fields of a mapping have their part of `default`."""
    match rule.kind:
        case Kind.ANY:
            return {}
        case Kind.RATIO:
            number = {"type": "number", "minimum": 0, "maximum": 1}
            return {"anyOf": [number, {"enum": ["max", "off"]}]}
        case Kind.CHOICE:
            return {"enum": list(rule.choices)}
    schema: dict[str, Any] = {"type": _TYPES[rule.kind]}
    if rule.choices:
        schema["enum"] = list(rule.choices)
    schema |= {
        name: bound
        for name, bound in (("minimum", rule.low), ("maximum", rule.high))
        if bound is not None
    }
    if rule.item is not None:
        schema["items"] = rule_schema(rule.item)
    if rule.kind is Kind.TEXT_MAP:
        schema["additionalProperties"] = {"type": "string"}
    if rule.kind is Kind.OBJECT:
        inner = default if isinstance(default, Mapping) else {}
        schema["properties"] = {
            name: {
                **rule_schema(each, inner.get(name)),
                "description": each.expectation,
                "default": inner.get(name),
            }
            for name, each in rule.fields.items()
        }
        schema["additionalProperties"] = False
    return schema


_GPU_TEXTS = {
    "splitStrategy": "How layers are spread over several GPUs: `evenly`, `favorMainGpu`, `priorityOrder`, `tensor` or `custom`.",
    "mainGpu": "Index of the GPU to fill first.",
    "priority": "Indexes of the GPUs in the order to fill them.",
    "disabledGpus": "Indexes of the GPUs not to use.",
    "customRatio": "Share of each GPU, for `custom`.",
}


def _gpu_schema(properties: dict[str, Any]) -> dict[str, Any]:
    rules = settings_table.GPU_SPLIT.fields
    for name in GPU_FIELDS:
        match name:
            case "splitStrategy":
                words = [*rules["strategy"].choices, "favorMainGpu"]
                schema: dict[str, Any] = {"enum": words, "default": "evenly"}
            case "mainGpu":
                schema = {"type": "integer", "minimum": 0, "default": None}
            case _:
                schema = {**rule_schema(rules[name]), "default": []}
        properties[name] = {**schema, "description": _GPU_TEXTS[name]}
    return {
        "type": "object",
        "description": "How much of the model GPUs hold, and which.",
        "default": {},
        "additionalProperties": False,
        "properties": properties,
    }
