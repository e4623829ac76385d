"""A Markdown table of every field of a kind, made from its JSON Schema, for the docs pages."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lmctl.manifests.schema import KINDS, schema

# What a change of a field costs, by the longest prefix that fits. `hot`: the next request has it;
# `reload`: the instance gets a new process; `gateway`: the listening process is replaced;
# `identity`: it is another object then.
_CHANGES: Final[Mapping[str, Mapping[str, str]]] = {
    "model": {
        "": "hot",
        "model": "identity",
        "base": "reload",
        "config.load": "reload",
    },
    "server": {
        "": "hot",
        "apiVersion": "-",
        "kind": "-",
        "metadata": "identity",
        "spec.listen": "gateway",
    },
    "instance": {
        "": "hot",
        "apiVersion": "-",
        "kind": "-",
        "metadata": "identity",
        "spec.model": "reload",
        "spec.runtime": "reload",
        "spec.load": "reload",
    },
    "runtime": {"": "reload", "apiVersion": "-", "kind": "-", "metadata": "identity"},
    "route": {"": "hot", "apiVersion": "-", "kind": "-", "metadata": "identity"},
    "preset": {"": "hot", "identifier": "identity", "load": "-"},
    "mcp": {"": "hot"},
}


def tables() -> dict[str, str]:
    """Return the table of every kind by its name."""
    return {name: table(name) for name in KINDS}


def table(name: str) -> str:
    """Return the table of one kind: field, type, default, what a change costs, description."""
    made = schema(name)
    top = made["$defs"]["Server"] if name == "server" else made
    rows = ["| Field | Type | Default | Change | Meaning |", "|---|---|---|---|---|"]
    for path, field, required in _fields(top, made.get("$defs", {}), ""):
        cells = (
            f"`{path}`",
            _type(field, made.get("$defs", {})),
            "required" if required else _default(field.get("default")),
            _change(name, path),
            _meaning(field, made.get("$defs", {})),
        )
        rows.append(
            f"| {' | '.join(each.replace('|', chr(92) + '|').replace(chr(10), ' ') for each in cells)} |"
        )
    return "\n".join(rows) + "\n"


def _fields(
    node: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Yield path, schema and whether it is required, for every field below a node."""
    for name, field in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field, name in node.get("required", [])
        for suffix, below in _below(field, definitions):
            yield from _fields(below, definitions, f"{path}{suffix}.")


def _below(
    field: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what stands below a field: `[]` for items, `.*` for values, `(name)` for one of several."""
    if "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    several = field.get("oneOf") or field.get("anyOf") or ()
    for each in several:
        for suffix, below in _below(each, definitions):
            kind = (
                below.get("properties", {}).get("type", {}).get("const")
                if len(several) > 1
                else None
            )
            yield (f"({kind}){suffix}" if kind else suffix), below
    if "items" in field:
        yield from ((f"[]{suffix}", each) for suffix, each in _below(field["items"], definitions))
    elif isinstance(field.get("additionalProperties"), dict):
        values = field["additionalProperties"]
        yield from ((f".*{suffix}", each) for suffix, each in _below(values, definitions))
    elif "properties" in field:
        yield "", field


def _meaning(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return a field's own words, or those of the type it refers to."""
    if "description" in field:
        return str(field["description"])
    return str(definitions[field["$ref"].rpartition("/")[2]]["description"])


def _type(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the type of a field in a word or two."""
    if "$ref" in field:
        return _type(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "const" in field:
        return _code(json.dumps(field["const"]))
    if "enum" in field:
        return " ".join(_code(json.dumps(each)) for each in field["enum"])
    if several := field.get("oneOf") or field.get("anyOf"):
        words = [_type(each, definitions) for each in several if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    kind = field.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else {"object": "mapping"}.get(kind, kind)


def _change(name: str, path: str) -> str:
    prefixes = _CHANGES[name]
    return prefixes[max((each for each in prefixes if path.startswith(each)), key=len)]


def _default(value: Any) -> str:
    """Return a default as it would be written; that of a mapping stands in the rows of its fields."""
    if isinstance(value, dict) and value:
        return "below"
    return _code(json.dumps(value, ensure_ascii=False))


def _code(text: str) -> str:
    return f"`{text}`"
