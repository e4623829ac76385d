"""What pydantic's schema lacks: at every field its change class, and quantities as people write them."""

from collections.abc import Iterator, Mapping
from typing import Any

from lmctl.base.changes import ChangeClass
from lmctl.base.quantities import write_duration, write_size
from lmctl.manifests.envelope import CHANGE, QUANTITY


def finish(made: dict[str, Any]) -> None:
    """Write its change class at every field of a schema: its own, or else its parent's.

    Raises ValueError for a field that has none, or several because its type stands in places of
    different cost; then the type, or a subclass of it, has to say.
    """
    _Finisher(made.get("$defs", {})).node(made, None, "")


class _Finisher:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._seen: dict[str, str | None] = {}

    def node(self, node: Mapping[str, Any], parent: str | None, path: str) -> None:
        """Finish the fields of a type, and of all types it leads to."""
        if reference := node.get("$ref"):
            self._definition(reference.rpartition("/")[2], parent, path)
        for name, field in node.get("properties", {}).items():
            here = f"{path}.{name}".lstrip(".")
            change = field.get(CHANGE, parent)
            if change is None:
                raise ValueError(f"`{here}` has no change class")
            field[CHANGE] = ChangeClass(change).value
            _readable(field)
            self.node(field, field[CHANGE], here)
        for each in _parts(node):
            self.node(each, parent, path)

    def _definition(self, name: str, parent: str | None, path: str) -> None:
        before = self._seen.setdefault(name, parent)
        if before != parent:
            raise ValueError(f"`{path}`: {name} is {before} elsewhere and {parent} here")
        definition = self._definitions[name]
        if CHANGE not in definition:
            definition[CHANGE] = parent
            self.node(definition, parent, path)


def _readable(field: dict[str, Any]) -> None:
    """Bring texts to one line, and defaults to what a person would write."""
    if "description" in field:
        field["description"] = " ".join(field["description"].split())
    default = field.get("default")
    if "$ref" in field and isinstance(default, dict):
        field["default"] = {}  # each field below has its own
    forms = [each.get(QUANTITY) for each in (field, *field.get("anyOf", ()))]
    if default is not None and "size" in forms:
        field["default"] = write_size(default)
    if default is not None and "duration" in forms:
        field["default"] = write_duration(default)


def _parts(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for word in ("anyOf", "oneOf", "allOf"):
        yield from node.get(word, ())
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), Mapping):
            yield node[word]
    yield from node.get("patternProperties", {}).values()
