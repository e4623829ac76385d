"""Whether a JSON schema has any document at all that is complete, or calls itself without an end."""

from typing import Any

_DEFINITION = "#/$defs/"


def has_an_end(schema: Any) -> bool:
    """Whether some document can be complete; the schema is one that was prepared."""
    definitions = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    known: set[str] = set()
    while fresh := {
        name for name, each in definitions.items() if name not in known and _ends(each, known)
    }:
        known |= fresh
    return _ends(schema, known)


def _ends(schema: Any, known: set[str]) -> bool:
    if not isinstance(schema, dict):
        return True
    reference = schema.get("$ref", "").removeprefix(_DEFINITION)
    if reference and reference not in known:
        return False
    if not all(_ends(each, known) for each in schema.get("allOf", ())):
        return False
    for options in (schema.get("anyOf"), schema.get("oneOf")):
        if options and not any(_ends(each, known) for each in options):
            return False
    return all(_ends(each, known) for each in _needed(schema))


def _needed(schema: dict[str, Any]) -> list[Any]:
    """Return what every document has inside that the schema allows."""
    match schema.get("type"):
        case "object" | ["object"]:
            properties = schema.get("properties", {})
            return [properties[name] for name in schema.get("required", ()) if name in properties]
        case "array" | ["array"]:
            least = schema.get("minItems", 0)
            items = schema.get("items", True)
            listed = items if isinstance(items, list) else schema.get("prefixItems", [])
            more = [items] if least > len(listed) and not isinstance(items, list) else []
            return [*listed[:least], *more]
        case _:
            return []
