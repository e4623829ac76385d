"""The words of JSON Schema by what becomes of them: which shape each has, which are left out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

TYPES: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
EXACT: Final = 2**53
"""Up to here a double holds every whole number, and the mask library counts in doubles."""

FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
)
FORMATS_LEFT_OUT: Final = frozenset(
    {
        "idn-email", "idn-hostname", "iri", "iri-reference", "json-pointer", "regex",
        "relative-json-pointer", "uri-reference", "uri-template",
    }
)  # fmt: skip

_LEAP = r"(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DAY = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    rf"|{_LEAP}-02-29)"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
CALENDAR: Final[Mapping[str, str]] = {
    "date": rf"^(?:{_DAY})$",
    "time": rf"^{_CLOCK}$",
    "date-time": rf"^(?:{_DAY})T{_CLOCK}$",
}
"""Formats the library takes too widely (29 February of any year, the year 0), as patterns."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "not": "",
    "if": "; `anyOf` can hold the two cases",
    "then": "",
    "else": "",
    "dependentRequired": "",
    "dependentSchemas": "",
    "dependencies": "",
    "uniqueItems": "; leave it out and look at the answer instead",
    "contains": "",
    "minContains": "",
    "maxContains": "",
    "propertyNames": "; `patternProperties` with `additionalProperties: false` holds names to a pattern",
    "unevaluatedItems": "; `items` may do",
    "unevaluatedProperties": "; `additionalProperties` may do",
    "$dynamicRef": "; `$ref` may do",
    "$recursiveRef": "; `$ref` may do",
}
"""Keywords that no mask can hold an answer to, and what may serve instead."""


def says_nothing(keyword: str, value: Any) -> bool:
    """Whether a keyword that is left out asks for nothing anyway."""
    match keyword:
        case "uniqueItems":
            return value is False
        case "propertyNames":
            return value in (True, {}, {"type": "string"})
        case "unevaluatedItems" | "unevaluatedProperties":
            return value in (True, {})
        case "dependentRequired" | "dependentSchemas" | "dependencies":
            return not value
        case _:
            return False


def unspeakable(value: Any) -> bool:
    """Whether a JSON value cannot be written by a mask: control characters that JSON has no letter
    for, or whole numbers that a double does not hold.
    """
    match value:
        case str():
            return any(
                (each < " " and each not in "\n\r\t\b\f") or each == "\x7f" for each in value
            )
        case list() | tuple():
            return any(map(unspeakable, value))
        case dict():
            return any(unspeakable(key) or unspeakable(each) for key, each in value.items())
        case int():
            return abs(value) > EXACT
        case _:
            return False


def _natural(value: Any) -> bool:
    return _number(value) and value >= 0 and value == int(value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(value: Any) -> bool:
    return isinstance(value, bool) or _number(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _types(value: Any) -> bool:
    named = [value] if isinstance(value, str) else value
    return isinstance(named, list) and bool(named) and all(each in TYPES for each in named)


def _schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _map(value: Any) -> bool:
    return isinstance(value, dict)


def _anything(value: Any) -> bool:
    del value  # whether it is a schema is seen when it is walked
    return True


SHAPES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "type": (_types, f"one or several of {', '.join(sorted(TYPES))}"),
    "const": (_anything, ""),
    "enum": (_schemas, "a list of at least one value"),
    "$ref": (
        lambda value: _text(value) and value[:1] == "#",
        "a reference within this schema: `#/…`",
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), (_schemas, "a list of schemas")),
    **dict.fromkeys(("items", "additionalItems", "additionalProperties"), (_anything, "")),
    **dict.fromkeys(("properties", "patternProperties"), (_map, "an object of schemas")),
    "required": (_texts, "a list of names"),
    **dict.fromkeys(
        ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"),
        (_natural, "a whole number, at least 0"),
    ),
    **dict.fromkeys(("pattern", "format"), (_text, "a text")),
    **dict.fromkeys(("minimum", "maximum"), (_number, "a number")),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), (_bound, "a number")),
    "multipleOf": (lambda value: _number(value) and value > 0, "a number above 0"),
}
"""What every supported keyword should be, and how to say so."""
