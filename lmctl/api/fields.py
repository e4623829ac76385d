"""Kinds of fields that request bodies of several dialects have, and what they say of settings."""

from collections.abc import Mapping
from math import inf
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from lmctl.chat.effective import PREFIX


def _stop_list(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _text_or(part: dict[str, Any], *more: dict[str, Any]) -> WithJsonSchema:
    """Describe text given as a string or as a list of parts; what is in them is checked later, so
    that an error can name the part.
    """
    parts = {"type": "array", "items": part}
    return WithJsonSchema({"anyOf": [{"type": "string"}, parts, *more]})


def _part(kind: str, **fields: Any) -> dict[str, Any]:
    """Describe a part that is known by its `type`."""
    return {
        "type": "object",
        "properties": {"type": {"const": kind}, **fields},
        "required": ["type", *fields],
    }


_NULL = {"type": "null"}
_TOKENS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "minItems": 1,
}
_STRING = {"type": "string"}
_TEXT = _part("text", text=_STRING)
_URL = {"type": "object", "properties": {"url": _STRING}, "required": ["url"]}
_IMAGE = _part("image_url", image_url=_URL)
_INPUT = {
    "type": "object",
    "properties": {
        "type": {"enum": ["message"]},
        "role": {"enum": ["user", "assistant", "system", "developer"]},
        "content": {
            "anyOf": [_STRING, {"type": "array", "items": _part("input_text", text=_STRING)}]
        },
    },
    "required": ["role", "content"],
}
_CALL = _part("function_call", call_id=_STRING, name=_STRING, arguments=_STRING)
_RESULT = _part("function_call_output", call_id=_STRING, output=_STRING)
_THOUGHT = _part(
    "reasoning", summary={"type": "array", "items": _part("summary_text", text=_STRING)}
)
_THINKING = _part("thinking", thinking=_STRING)
_TOOL_USE = _part("tool_use", id=_STRING, name=_STRING, input={"type": "object"})
_TOOL_RESULT = _part("tool_result", tool_use_id=_STRING)

ChatContent = Annotated[Any, _text_or({"anyOf": [_TEXT, _IMAGE]}, _NULL)]
Blocks = Annotated[Any, _text_or({"anyOf": [_TEXT, _THINKING, _TOOL_USE, _TOOL_RESULT]})]
TextBlocks = Annotated[Any, _text_or(_TEXT, _NULL)]
Items = Annotated[Any, _text_or({"anyOf": [_INPUT, _CALL, _RESULT, _THOUGHT]}, _NULL)]
_ONE_PROMPT = {"anyOf": [_STRING, _TOKENS]}
Prompts = Annotated[
    Any,
    WithJsonSchema({"anyOf": [_STRING, _TOKENS, {"type": "array", "items": _ONE_PROMPT}]}),
]
Texts = Annotated[Any, _text_or({"anyOf": [_STRING, _TOKENS]}, _TOKENS)]


def _seconds(value: Any) -> Any:
    """Return idle seconds; what is none counts for nothing, as in LM Studio (contract 1.14)."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and 0 < value < inf else None


Seconds = Annotated[float | None, BeforeValidator(_seconds, json_schema_input_type=float | None)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Stop = Annotated[
    tuple[str, ...], BeforeValidator(_stop_list, json_schema_input_type=str | tuple[str, ...])
]


def layer_of(body: BaseModel, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return what the body says about prediction, by full key; `keys` has the tail of the key of
    each field. A field that is absent or null says nothing.
    """
    said = {tail: getattr(body, name) for name, tail in keys.items()}
    return {PREFIX + tail: value for tail, value in said.items() if value is not None}
