"""What of JSON Schema an answer can be held to, and the schema put so that it is held to all of it.

The library that makes masks names a keyword it cannot do, but not where it stands, and takes some
that it can do more widely than they are meant: dates that no calendar has, whole numbers beyond
what a double tells apart. So every schema is walked first. What comes out has only what matters:
notes are dropped, and each definition that is referred to stands in `$defs`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations
from typing import Any, Final
from urllib.parse import unquote

from lmctl.base.errors import BadRequest
from lmctl.chat.json_schema_overlap import Overlap
from lmctl.chat.json_schema_words import (
    CALENDAR,
    EXACT,
    FORMATS,
    FORMATS_LEFT_OUT,
    LEFT_OUT,
    SHAPES,
    says_nothing,
    unspeakable,
)

DEEPEST: Final = 100
"""Levels of nesting in the JSON text of a schema; the library reads 128."""
DEEPEST_TOGETHER: Final = 4000
"""Levels of all definitions together: they may be nested in each other, all on one stack."""
MOST_PATTERNS: Final = 100
"""`patternProperties` of a schema: each is compared with each."""
LARGEST_FACTOR: Final = 5000
"""The common multiple of all `multipleOf`, without its factors 2 and 5: so many remainders a
number's digits may have."""
_SHOWN: Final = 5

Schema = dict[str, Any] | bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A schema of supported keywords only; `places` says where each name of its `$defs` stood."""

    schema: Schema
    places: dict[str, str]


def prepare(schema: Any, *, param: str) -> Prepared:
    """Return the schema ready for the mask library.

    Raises BadRequest naming the places of what is not supported as JSON pointers.
    """
    if depth(schema) > DEEPEST:
        raise BadRequest(f"the JSON schema is nested deeper than {DEEPEST} levels", param=param)
    walk = _Walk(schema)
    found = walk.whole()
    if not walk.problems:
        return Prepared(found, {name: place for place, name in walk.names.items()})
    shown = "; ".join(f"`{place or '/'}` {reason}" for place, reason in walk.problems[:_SHOWN])
    more = len(walk.problems) - _SHOWN
    raise BadRequest(
        f"of the JSON schema, {shown}" + (f"; and {more} more" if more > 0 else ""), param=param
    )


def escaped(name: str) -> str:
    """Return a name as a step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def depth(value: Any) -> int:
    """Return how many lists and objects of a JSON value are inside each other at most."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [child for each in level for child in _children(each)]
    return deepest


def _children(value: Any) -> Iterator[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (each for each in inside if isinstance(each, dict | list))


@dataclass
class _Walk:
    root: Any
    problems: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    _waiting: list[tuple[str, Any]] = field(default_factory=list)
    _levels: int = 0
    _patterns: int = 0
    _factor: int = 1

    def whole(self) -> Schema:
        """Return the root with every definition it leads to; what is wrong is in `problems`."""
        found = self._schema(self.root, "")
        definitions: dict[str, Schema] = {}
        while self._waiting:
            place, target = self._waiting.pop()
            self._levels += depth(target)
            if self._levels > DEEPEST_TOGETHER:
                self._wrong(place, "is one definition too many: together they nest too deeply")
                break
            definitions[self.names[place]] = self._schema(target, place)
        if isinstance(found, dict) and definitions:
            found["$defs"] = definitions
        return found

    def _wrong(self, place: str, reason: str) -> None:
        self.problems.append((place, reason))

    def _schema(self, node: Any, at: str) -> Schema:
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            self._wrong(at, "should be a schema: an object, true or false")
            return True
        found: dict[str, Any] = {}
        for keyword, value in node.items():
            place = f"{at}/{escaped(keyword)}"
            if keyword in LEFT_OUT and not says_nothing(keyword, value):
                self._wrong(place, f"is not supported{LEFT_OUT[keyword]}")
            elif keyword in SHAPES and self._shaped(keyword, value, place):
                self._check(keyword, value, place, node)
                self._keep(found, keyword, value, place)
        return found

    def _shaped(self, keyword: str, value: Any, place: str) -> bool:
        fits, expected = SHAPES[keyword]
        if not fits(value) and not (keyword == "items" and isinstance(value, list)):
            self._wrong(place, f"should be {expected}")
            return False
        return True

    def _keep(self, found: dict[str, Any], keyword: str, value: Any, place: str) -> None:
        """Put what a keyword becomes into `found`; nothing where it says nothing."""
        match keyword:
            case "$ref":
                self._refer(found, value, place)
            case "format":
                if value in CALENDAR:
                    found["allOf"] = [*found.get("allOf", ()), {"pattern": CALENDAR[value]}]
                elif value in FORMATS:
                    found["format"] = value
            case "properties" | "patternProperties":
                found[keyword] = {
                    name: self._schema(each, f"{place}/{escaped(name)}")
                    for name, each in value.items()
                }
            case "allOf" | "anyOf" | "oneOf" | "prefixItems" | "items" if isinstance(value, list):
                schemas = [self._schema(each, f"{place}/{n}") for n, each in enumerate(value)]
                found[keyword] = [*found.get(keyword, ()), *schemas]
            case "items" | "additionalItems" | "additionalProperties":
                found[keyword] = self._schema(value, place)
            case _:
                counts = keyword.endswith(("Items", "Properties", "Length"))
                found[keyword] = int(value) if counts else value

    def _check(self, keyword: str, value: Any, place: str, node: dict[str, Any]) -> None:
        """Note what the library takes more widely than it is meant, or cannot bear."""
        match keyword:
            case "const" | "enum" | "required" if unspeakable(value):
                self._wrong(place, "has a control character, or a whole number beyond 2^53")
            case "properties" if unspeakable(list(value)):
                self._wrong(place, "has a control character in a name")
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf":
                self._check_number(keyword, value, place)
            case "minProperties" if value - len(node.get("required", ())) > 1:
                self._wrong(place, "is more than one beyond `required`: names might come twice")
            case "patternProperties" if self._count_patterns(value) > MOST_PATTERNS:
                self._wrong(place, f"makes more than {MOST_PATTERNS} patterns in all")
            case "format" if value in FORMATS_LEFT_OUT:
                self._wrong(place, f"`{value}` is not supported")
            case "oneOf":
                self._check_one_of(value, place)
            case _:
                pass

    def _count_patterns(self, value: dict[str, Any]) -> int:
        self._patterns += len(value)
        return self._patterns

    def _check_number(self, keyword: str, value: float, place: str) -> None:
        if keyword == "multipleOf":
            self._factor = math.lcm(self._factor, _odd_part(value))
            if self._factor > LARGEST_FACTOR:
                self._wrong(place, "makes a common multiple too large to count in")
        elif abs(value) > EXACT:
            self._wrong(place, "is beyond 2^53: numbers there are not told apart")

    def _check_one_of(self, options: list[Any], place: str) -> None:
        overlap = Overlap(self._target)
        for (first, one), (second, other) in combinations(enumerate(options), 2):
            if not overlap.apart(one, other):
                why = f"options {first} and {second} are not seen to exclude each other"
                self._wrong(place, f"{why}; `anyOf` needs no such proof")
                return

    def _refer(self, found: dict[str, Any], value: str, place: str) -> None:
        try:
            steps = _steps(value)
            target = _at(self.root, steps)
        except (KeyError, IndexError, ValueError):
            self._wrong(place, f"leads to nothing in this schema: `{value}`")
            return
        where = "".join(f"/{escaped(step)}" for step in steps)
        if where not in self.names:
            self.names[where] = f"d{len(self.names)}"
            self._waiting.append((where, target))
        found["$ref"] = f"#/$defs/{self.names[where]}"

    def _target(self, reference: str) -> Any:
        """Return what a reference leads to; a wrong one is told elsewhere."""
        try:
            return _at(self.root, _steps(reference))
        except (KeyError, IndexError, ValueError):
            return True


def _steps(reference: str) -> list[str]:
    """Return the steps of `#/…`, unescaped. Raises ValueError for another form."""
    if reference == "#":
        return []
    if not reference.startswith("#/"):
        raise ValueError(reference)
    steps = unquote(reference[2:]).split("/")
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _at(root: Any, steps: list[str]) -> Any:
    """Return what a pointer leads to. Raises KeyError, IndexError or ValueError."""
    for step in steps:
        if not isinstance(root, dict | list):
            raise KeyError(step)
        root = root[int(step)] if isinstance(root, list) else root[step]
    return root


def _odd_part(value: float) -> int:
    """Return a step of numbers as a whole number, without its factors 2 and 5."""
    digits = int("".join(map(str, Decimal(repr(value)).as_tuple().digits)))
    for factor in (2, 5):
        while digits and digits % factor == 0:
            digits //= factor
    return digits
