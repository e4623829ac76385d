"""GET /openapi.json: the API in OpenAPI 3.1, made of the very models that check request bodies."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from falcon.asgi import Request, Response
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from lmctl import __version__
from lmctl.api.answer_shapes import AnthropicError, OpenAiError
from lmctl.api.catalogue import anthropic_error, native_error, renderer_of
from lmctl.api.errors import JSON_TYPE
from lmctl.api.native_shapes import NativeError
from lmctl.api.operations import OPERATIONS, Kind, Operation

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
    """The description; it is made once per worker."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = JSON_TYPE
        resp.data = _encoded()


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(description())


def description() -> dict[str, Any]:
    """Return the whole description."""
    found, definitions = models_json_schema(sorted(_kinds(), key=str), ref_template=_REFERENCE)
    schemas = {(str(kind), mode): schema for (kind, mode), schema in found.items()}
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method] = _operation(each, schemas)
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


def _kinds() -> set[Named]:
    kinds: set[Named] = set()
    for each in OPERATIONS:
        kinds |= {(each.answer, "serialization"), (_error_of(each.path), "serialization")}
        if each.body is not None:
            kinds.add((each.body, "validation"))
    return kinds


def _error_of(path: str) -> Kind:
    """Return the shape errors have in the dialect a path belongs to."""
    return _ERRORS.get(renderer_of(path), OpenAiError)


def _operation(
    each: Operation, schemas: Mapping[tuple[str, JsonSchemaMode], Any]
) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "application/json": {"schema": schemas[str(each.answer), "serialization"]}
    }
    if each.streams:
        whole["text/event-stream"] = {"schema": _EVENT}
    error = {"application/json": {"schema": schemas[str(_error_of(each.path)), "serialization"]}}
    told: dict[str, Any] = {
        "operationId": _name(each),
        "summary": each.summary,
        "responses": {
            "200": {"description": each.answer.__doc__ or "", "content": whole},
            "default": {"description": "What went wrong.", "content": error},
        },
    }
    if each.body is not None:
        content = {"application/json": {"schema": schemas[str(each.body), "validation"]}}
        told["requestBody"] = {"required": True, "content": content}
    if parameters := _parameters(each):
        told["parameters"] = parameters
    return told


def _parameters(each: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    in_path = re.findall(r"{(\w+)}", each.path)
    named = [{"name": n, "in": "path", "required": True, "schema": schema} for n in in_path]
    return named + [{"in": "query"} | each for each in each.query]


def _name(each: Operation) -> str:
    words = re.sub(r"\W+", "_", each.path.replace("{", "").replace("}", "")).strip("_")
    return f"{each.method}_{words}"
