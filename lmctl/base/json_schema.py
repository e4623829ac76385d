"""JSON Schema as manifests and tools use it: is it one, and does a value fit. The one door to `jsonschema`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

# The library takes 60 ms to import, and most fleets have no schema in them.


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def fault(schema: Mapping[str, Any]) -> str | None:
    """Return why this is no JSON Schema (draft 2020-12), or None if it is one.

    A reference must stay inside the schema: nothing is ever fetched.
    """
    from jsonschema import SchemaError

    try:
        _validator().check_schema(schema)
    except SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        return f"{f'`{where}`: ' if where else ''}{error.message}"
    outside = next((each for each in _references(schema) if not each.startswith("#")), None)
    return f"`$ref: {outside}` leads out of the schema" if outside else None


def mismatch(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return how a value does not fit a schema that `fault` found none in, or None if it fits."""
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    checker = _validator()(schema, registry=Registry())
    try:
        worst = best_match(checker.iter_errors(value))
    except Unresolvable as error:
        return f"the schema refers to what it does not have: {error.ref}"
    if worst is None:
        return None
    where = ".".join(map(str, worst.absolute_path))
    return f"{f'`{where}`: ' if where else ''}{worst.message}"


def _references(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        own = [each for name, each in node.items() if name == "$ref" and isinstance(each, str)]
        return own + [ref for each in node.values() for ref in _references(each)]
    if isinstance(node, list):
        return [ref for each in node for ref in _references(each)]
    return []
