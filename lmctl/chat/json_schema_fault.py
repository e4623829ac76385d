"""Where in a schema the fault is that the mask library found: it says what, but not where.

Every part of a prepared schema is a schema too (its references all lead to `$defs`), so the
smallest part that fails alone, and the keyword without which it does not, are the place.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from lmctl.chat.json_schema import Prepared, escaped

Fails = Callable[[Any], bool]
_TRIES: Final = 100
_DEFINITION: Final = "#/$defs/"


def find_fault(prepared: Prepared, fails: Fails) -> str:
    """Return the place in the schema as it was sent, a JSON pointer; `fails` tries a schema."""
    return _Search(prepared, fails).place()


class _Search:
    def __init__(self, prepared: Prepared, fails: Fails) -> None:
        self._root = prepared.schema
        self._places = prepared.places
        self._definitions = self._root.get("$defs", {}) if isinstance(self._root, dict) else {}
        self._fails = fails
        self._left = _TRIES
        self._seen: set[str] = set()

    def place(self) -> str:
        place, node = "", self._root
        while (deeper := self._failing(place, node)) is not None:
            place, node = deeper
        if isinstance(node, dict):
            for keyword in node:
                less = {each: value for each, value in node.items() if each != keyword}
                if keyword != "type" and not self._try(less):
                    return f"{place}/{escaped(keyword)}"
        return place

    def _failing(self, place: str, node: Any) -> tuple[str, Any] | None:
        """Return the first part of a schema that fails alone, with its place."""
        return next((each for each in self._parts(place, node) if self._try(each[1])), None)

    def _try(self, schema: Any) -> bool:
        self._left -= 1
        if self._left < 0 or not isinstance(schema, dict):
            return False
        return self._fails(schema | {"$defs": self._definitions})

    def _parts(self, place: str, node: Any) -> Iterator[tuple[str, Any]]:
        if not isinstance(node, dict):
            return
        for keyword, value in node.items():
            at = f"{place}/{escaped(keyword)}"
            match keyword:
                case "$ref":
                    yield from self._behind(value)
                case "allOf" | "anyOf" | "oneOf" | "prefixItems" | "items" if isinstance(
                    value, list
                ):
                    yield from ((f"{at}/{n}", each) for n, each in enumerate(value))
                case "items" | "additionalItems" | "additionalProperties":
                    yield at, value
                case "properties" | "patternProperties":
                    yield from ((f"{at}/{escaped(name)}", each) for name, each in value.items())
                case _:
                    pass

    def _behind(self, reference: str) -> Iterator[tuple[str, Any]]:
        if reference not in self._seen:
            self._seen.add(reference)
            name = reference.removeprefix(_DEFINITION)
            yield self._places[name], self._definitions[name]
