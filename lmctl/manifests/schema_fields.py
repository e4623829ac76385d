"""A JSON Schema as a list of fields: what docs pages and the guard of old names read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lmctl.manifests.envelope import CHANGE, QUANTITY

Node = Mapping[str, Any]
_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "pattern": "pattern",
    "maxLength": "longest",
}


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One field: where it stands, and what a person may know of it, in words.

    In `path`, `[]` stands for any item of a list, `.*` for any name of a mapping and `(word)` for
    one of several forms, told apart by `type`. `default` is `required`, `below` or a value.
    """

    path: str
    node: Node
    required: bool
    type: str
    default: str
    change: str
    meaning: str

    @property
    def limits(self) -> dict[str, Any]:
        """Return what bounds the value, in words: `at least`, `at most`, `pattern`."""
        forms = (self.node, *self.node.get("anyOf", ()))
        return {
            word: each[name] for each in forms for name, word in _LIMITS.items() if name in each
        }


def fields(made: Node) -> Iterator[SchemaField]:
    """Yield every field of a schema, parents before what is below them."""
    definitions = made.get("$defs", {})
    top = definitions["Server"] if "else" in made else made
    yield from _fields(top, definitions, "")


def types(node: Node, definitions: Node) -> frozenset[str]:
    """Return the JSON types (and the words, in quotes) a value may have; empty for any value."""
    node = _followed(node, definitions)
    if several := node.get("oneOf") or node.get("anyOf"):
        found = [types(each, definitions) for each in several]
        return frozenset().union(*found) if all(found) else frozenset()
    if "const" in node or "enum" in node:
        return frozenset(json.dumps(each) for each in node.get("enum", [node.get("const")]))
    kind = node.get("type", ())
    return frozenset([kind] if isinstance(kind, str) else kind)


def _fields(node: Node, definitions: Node, prefix: str) -> Iterator[SchemaField]:
    for name, field in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        below = list(_below(field, definitions))
        required = name in node.get("required", [])
        yield SchemaField(
            path,
            field,
            required,
            _type(field, definitions),
            "required" if required else _default(field, nested=bool(below)),
            field.get(CHANGE, ""),
            field.get("description") or _followed(field, definitions).get("description", ""),
        )
        for suffix, each in below:
            yield from _fields(each, definitions, f"{path}{suffix}.")


def _below(field: Node, definitions: Node) -> Iterator[tuple[str, Node]]:
    """Yield what stands below a field: `[]` for items, `.*` for values, `(name)` for one of several."""
    field = _followed(field, definitions)
    several = field.get("oneOf") or field.get("anyOf") or ()
    for each in several:
        for suffix, below in _below(each, definitions):
            kind = below.get("properties", {}).get("type", {}).get("const")
            yield (f"({kind}){suffix}" if kind and len(several) > 1 else suffix), below
    if "items" in field:
        yield from ((f"[]{suffix}", each) for suffix, each in _below(field["items"], definitions))
    elif values := _values(field):
        yield from ((f".*{suffix}", each) for suffix, each in _below(values, definitions))
    elif "properties" in field:
        yield "", field


def _values(field: Node) -> Node | None:
    """Return what the values of a mapping are, if its names are the user's own."""
    for each in (field.get("additionalProperties"), *field.get("patternProperties", {}).values()):
        if isinstance(each, Mapping):
            return each
    return None


def _followed(field: Node, definitions: Node) -> Node:
    if "$ref" not in field:
        return field
    found: Node = definitions[field["$ref"].rpartition("/")[2]]
    return found


def _type(field: Node, definitions: Node) -> str:
    """Return the type of a field in a word or two."""
    field = _followed(field, definitions)
    if "const" in field:
        return _code(field["const"])
    if "enum" in field:
        return " ".join(_code(each) for each in field["enum"])
    if several := field.get("oneOf") or field.get("anyOf"):
        words = [_type(each, definitions) for each in several if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if QUANTITY in field:
        return str(field[QUANTITY])
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    words = [kind] if isinstance(kind, str) else kind
    return " or ".join({"object": "mapping"}.get(each, each) for each in words)


def _default(field: Node, *, nested: bool) -> str:
    """Return a default as it would be written; that of a mapping stands with its own fields."""
    value = field.get("default")
    if nested and isinstance(value, Mapping):
        return "below"
    return _code(value)


def _code(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"
