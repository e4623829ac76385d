"""Whether two JSON schemas can be seen to have no value in common.

`oneOf` says "exactly one of these". A mask can only say "one of these", which is the same where no
value fits two: options of different types, or objects told apart by the constant of a property.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from lmctl.chat.json_schema_words import TYPES

Resolve = Callable[[str], Any]
_TRIES: Final = 50_000


class Overlap:
    """Compares the schemas of one document; `resolve` gives the schema behind a `$ref`."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._tries = _TRIES

    def apart(self, first: Any, second: Any, *, depth: int = 12) -> bool:
        """Return True where no value fits both; False where that is not plain to see."""
        self._tries -= 1
        if not depth or self._tries < 0:
            return False
        if first is False or second is False:
            return True
        for one, other in ((first, second), (second, first)):
            if any(self.apart(part, other, depth=depth - 1) for part in self._parts(one)):
                return True
            options = _options(one)
            if options and all(self.apart(each, other, depth=depth - 1) for each in options):
                return True
        if not (isinstance(first, dict) and isinstance(second, dict)):
            return False
        return self._differ(first, second, depth)

    def _differ(self, first: dict[str, Any], second: dict[str, Any], depth: int) -> bool:
        common = _types(first) & _types(second)
        if not common:
            return True
        ones, others = _values(first), _values(second)
        if ones is not None and others is not None:
            return not any(_same(one, other) for one in ones for other in others)
        if common == {"object"}:
            return any(
                self.apart(_property(first, name), _property(second, name), depth=depth - 1)
                for name in {*_list(first, "required"), *_list(second, "required")}
            )
        return common <= {"integer", "number"} and (_above(first, second) or _above(second, first))

    def _parts(self, schema: Any) -> Iterator[Any]:
        """Yield schemas that a value must fit as well."""
        if isinstance(schema, dict):
            yield from _list(schema, "allOf")
            if isinstance(schema.get("$ref"), str):
                yield self._resolve(schema["$ref"])


def _options(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    return _list(schema, "anyOf") or _list(schema, "oneOf")


def _list(schema: dict[str, Any], keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def _types(schema: dict[str, Any]) -> set[str]:
    values = _values(schema)
    if values is not None:
        return {kind for value in values for kind in _kinds(value)}
    named = schema.get("type")
    found = {named} if isinstance(named, str) else set(_list(schema, "type")) or set(TYPES)
    return found | {"integer"} if "number" in found else found


def _kinds(value: Any) -> set[str]:
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int() | float():
            return {"integer", "number"} if value == int(value) else {"number"}
        case str():
            return {"string"}
        case list():
            return {"array"}
        case _:
            return {"object"}


def _values(schema: dict[str, Any]) -> list[Any] | None:
    """Return all values a schema names, None where it names none."""
    if "const" in schema:
        return [schema["const"]]
    return _list(schema, "enum") or None


def _same(one: Any, other: Any) -> bool:
    return one == other and _kinds(one) == _kinds(other)


def _property(schema: dict[str, Any], name: str) -> Any:
    properties = schema.get("properties")
    if isinstance(properties, dict) and name in properties:
        return properties[name]
    return True if schema.get("patternProperties") else schema.get("additionalProperties", True)


def _above(low: dict[str, Any], high: dict[str, Any]) -> bool:
    """Whether all numbers of one are below those of the other."""
    top, bottom = low.get("maximum"), high.get("minimum")
    return isinstance(top, int | float) and isinstance(bottom, int | float) and top < bottom
