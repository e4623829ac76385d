"""JSON Schema 2020-12 of every manifest, for editors; generated, never written by hand."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lmctl.manifests.envelope import API_VERSION
from lmctl.manifests.field_texts import field_texts
from lmctl.manifests.instance import Instance
from lmctl.manifests.lock import NAME as LOCK_NAME
from lmctl.manifests.lock import Lock
from lmctl.manifests.mcp import McpFile
from lmctl.manifests.model import Model
from lmctl.manifests.preset import Preset
from lmctl.manifests.route import Route
from lmctl.manifests.runtime import Runtime
from lmctl.manifests.schema_changes import finish
from lmctl.manifests.server import Server

KINDS: Final[Mapping[str, type[BaseModel]]] = {
    "model": Model,
    "server": Server,
    "instance": Instance,
    "runtime": Runtime,
    "route": Route,
    "preset": Preset,
    "mcp": McpFile,
    "lock": Lock,
}
WRITTEN_BY_PEOPLE: Final = tuple(name for name in KINDS if name != "lock")
BUNDLED: Final = "manifest"
# Which files are of a kind by their name; everything else is told by `kind`.
GLOBS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("**/model.yaml", "**/model.yml", "**/*.model.yaml", "**/*.model.yml"),
    "server": ("**/server.yaml", "**/server.yml"),
    "preset": ("**/*.preset.json", "**/*.preset.yaml", "**/*.preset.yml"),
    "mcp": ("**/mcp.json",),
    "lock": (f"**/{LOCK_NAME}",),
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_POINTER: Final = "#/$defs/"


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, which leaves out defaults that are made by a function, and what is
    written below a field.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        texts = field_texts(schema["cls"])
        for name, field in schema["cls"].model_fields.items():
            property_ = made.get("properties", {}).get(field.alias or name)
            if property_ is not None and name in texts:
                property_.setdefault("description", texts[name])
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        factory = schema.get("default_factory")
        if factory is not None:
            made["default"] = factory()  # type: ignore[call-arg] # none of ours takes the data
        return made


def render_all() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    return {f"{name}.json": text(schema(name)) for name in (*KINDS, BUNDLED)}


def text(value: Mapping[str, Any]) -> str:
    """Return a schema as it stands in a file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind, or of all as `manifest`.

    Every field has a description, a default unless it is required, and what a change of it costs.
    """
    head = {"$schema": _DIALECT, "$id": f"urn:{API_VERSION.replace('/', ':')}:{name}"}
    return {**head, **(_all_kinds() if name == BUNDLED else _one_kind(name))}


def _one_kind(name: str) -> dict[str, Any]:
    made = KINDS[name].model_json_schema(by_alias=True, schema_generator=_Generator)
    finish(made)
    if name == "server":
        made = _with_or_without_envelope(made)
    if name == "preset":
        del made["required"]  # the file's name stands in for the one required field
        made["properties"]["identifier"]["default"] = None
    return made


def _with_or_without_envelope(made: dict[str, Any]) -> dict[str, Any]:
    """Allow a server.yaml without envelope: its top then is what stands under `spec`."""
    definitions = made.pop("$defs")
    definitions["Server"] = made
    return {
        "title": made["title"],
        "description": made["description"],
        "if": {"anyOf": [{"required": ["kind"]}, {"required": ["apiVersion"]}]},
        "then": {"$ref": f"{_POINTER}Server"},
        "else": {"$ref": f"{_POINTER}ServerSpec"},
        "$defs": definitions,
    }


def _all_kinds() -> dict[str, Any]:
    """Return one schema that goes by `kind`, or by the fields only one native file has."""
    definitions: dict[str, Any] = {}
    branches: dict[str, Any] = {}
    for name in WRITTEN_BY_PEOPLE:
        made = _prefixed(_one_kind(name), f"{name}.")
        definitions |= made.pop("$defs", {})
        definitions[name] = made
        branches[name] = {"$ref": f"{_POINTER}{name}"}
    bare: Any = {"anyOf": [branches["server"], branches["preset"]]}
    bare = _either({"required": ["mcpServers"]}, branches["mcp"], bare)
    bare = _either({"required": ["base"]}, branches["model"], bare)
    enveloped = {"properties": {"kind": {"enum": _words()}}, "required": ["apiVersion", "kind"]}
    for name in ("route", "runtime", "instance", "server"):
        word = {"properties": {"kind": {"const": KINDS[name].__name__}}}
        enveloped = _either(word, branches[name], enveloped)
    return {
        "title": "Manifest",
        "description": "Any manifest lmctl reads.",
        **_either(
            {"anyOf": [{"required": ["kind"]}, {"required": ["apiVersion"]}]}, enveloped, bare
        ),
        "$defs": definitions,
    }


def _words() -> list[str]:
    return [KINDS[name].__name__ for name in ("instance", "route", "runtime", "server")]


def _either(condition: Any, then: Any, otherwise: Any) -> dict[str, Any]:
    return {"if": condition, "then": then, "else": otherwise}


def _prefixed(node: Any, prefix: str) -> Any:
    """Return a schema whose definitions, and all references to them, have a prefix."""
    if isinstance(node, dict):
        made = {name: _prefixed(each, prefix) for name, each in node.items()}
        if isinstance(node.get("$ref"), str):
            made["$ref"] = node["$ref"].replace(_POINTER, _POINTER + prefix)
        if isinstance(node.get("$defs"), dict):
            made["$defs"] = {prefix + name: each for name, each in made["$defs"].items()}
        return made
    return [_prefixed(each, prefix) for each in node] if isinstance(node, list) else node
