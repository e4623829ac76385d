"""GET /openapi.json: the API in OpenAPI 3.1, made of the very models that check request bodies."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
from falcon.asgi import Request, Response
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from lmctl import __version__
from lmctl.api.answer_shapes import AnthropicError, OpenAiError
from lmctl.api.catalogue import anthropic_error, native_error, renderer_of
from lmctl.api.errors import JSON_TYPE
from lmctl.api.native_shapes import NativeError
from lmctl.api.operations import Endpoint, Kind, Operation

_REFERENCE: Final = "#/components/schemas/{model}"
_ERRORS: Final[dict[object, Kind]] = {
    anthropic_error: AnthropicError,
    native_error: NativeError,
}
_ABOUT: Final = "Local models in the dialects of OpenAI, Anthropic and LM Studio."
_WHO: Final = "A token of the Server; needed where `auth.required` says so."

# One event of a stream: its name, where the dialect names them, and its JSON or `[DONE]`.
_EVENT: Final = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}

Named = tuple[Kind, JsonSchemaMode]


class OpenApi:
    """The description of these endpoints; it is made once per worker."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = endpoints

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = JSON_TYPE
        resp.data = self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        return msgspec.json.encode(description(self._endpoints))


def description(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the whole description."""
    kinds = sorted(_kinds(endpoints), key=str)
    found, definitions = models_json_schema(kinds, ref_template=_REFERENCE)
    schemas = {(str(kind), mode): schema for (kind, mode), schema in found.items()}
    paths = {
        endpoint.told_path: {
            each.method: _operation(endpoint.told_path, each, schemas)
            for each in endpoint.operations
        }
        for endpoint in endpoints
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "lmctl", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": _WHO}
            },
        },
        "security": [{}, {"bearer": []}],
    }


def _kinds(endpoints: Sequence[Endpoint]) -> set[Named]:
    kinds: set[Named] = set()
    for endpoint in endpoints:
        kinds.add((_error_of(endpoint.path), "serialization"))
        for each in endpoint.operations:
            kinds.add((each.answer, "serialization"))
            if each.body is not None:
                kinds.add((each.body, "validation"))
    return kinds


def _error_of(path: str) -> Kind:
    """Return the shape errors have in the dialect a path belongs to."""
    return _ERRORS.get(renderer_of(path), OpenAiError)


def _operation(
    path: str, each: Operation, schemas: Mapping[tuple[str, JsonSchemaMode], Any]
) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "application/json": {"schema": schemas[str(each.answer), "serialization"]}
    }
    if each.streams:
        whole["text/event-stream"] = {"schema": _EVENT}
    error = {"application/json": {"schema": schemas[str(_error_of(path)), "serialization"]}}
    told: dict[str, Any] = {
        "operationId": _name(path, each),
        "summary": each.summary,
        "responses": {
            "200": {"description": each.answer.__doc__ or "", "content": whole},
            "default": {"description": "What went wrong.", "content": error},
        },
    }
    if each.body is not None:
        content = {"application/json": {"schema": schemas[str(each.body), "validation"]}}
        told["requestBody"] = {"required": True, "content": content}
    if parameters := _parameters(path, each):
        told["parameters"] = parameters
    return told


def _parameters(path: str, each: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    in_path = re.findall(r"{(\w+)}", path)
    named = [{"name": n, "in": "path", "required": True, "schema": schema} for n in in_path]
    return named + [{"in": "query"} | each for each in each.query]


def _name(path: str, each: Operation) -> str:
    words = re.sub(r"\W+", "_", path.replace("{", "").replace("}", "")).strip("_")
    return f"{each.method}_{words}"
