"""JSON Schema 2020-12 of every manifest, for editors; generated, never written by hand."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lmctl.manifests.envelope import API_VERSION
from lmctl.manifests.instance import Instance
from lmctl.manifests.mcp import McpFile
from lmctl.manifests.model import Model
from lmctl.manifests.preset import Preset
from lmctl.manifests.route import Route
from lmctl.manifests.runtime import Runtime
from lmctl.manifests.server import Server

KINDS: Final[Mapping[str, type[BaseModel]]] = {
    "model": Model,
    "server": Server,
    "instance": Instance,
    "runtime": Runtime,
    "route": Route,
    "preset": Preset,
    "mcp": McpFile,
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, which leaves out defaults that are made by a function."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        factory = schema.get("default_factory")
        if factory is not None:
            made["default"] = factory()  # type: ignore[call-arg] # none of ours takes the data
        return made


def render_all() -> dict[str, str]:
    """Return the text of every schema by the name of its file."""
    return {f"{name}.json": _text(schema(name)) for name in KINDS}


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind, every field with description and (unless required) default."""
    made = KINDS[name].model_json_schema(by_alias=True, schema_generator=_Generator)
    head = {"$schema": _DIALECT, "$id": f"urn:{API_VERSION.replace('/', ':')}:{name}"}
    if name == "server":
        made = _with_or_without_envelope(made)
    if name == "preset":
        del made["required"]  # the file's name stands in for the one required field
        made["properties"]["identifier"]["default"] = None
    return {**head, **made}


def _with_or_without_envelope(made: dict[str, Any]) -> dict[str, Any]:
    """Allow a server.yaml without envelope: its top then is what stands under `spec`."""
    definitions = made.pop("$defs")
    definitions["Server"] = made
    return {
        "title": made["title"],
        "description": made["description"],
        "if": {"anyOf": [{"required": ["kind"]}, {"required": ["apiVersion"]}]},
        "then": {"$ref": "#/$defs/Server"},
        "else": {"$ref": "#/$defs/ServerSpec"},
        "$defs": definitions,
    }


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
