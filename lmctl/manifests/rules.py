"""What a setting may be: one value that checks, normalises and describes itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lmctl.manifests.suggest import did_you_mean


class Kind(StrEnum):
    """The shape of a setting's value."""

    NUMBER = "number"
    INTEGER = "whole number"
    BOOLEAN = "true or false"
    TEXT = "text"
    CHOICE = "one of"
    RATIO = "ratio"
    LIST = "list"
    OBJECT = "mapping"
    TEXT_MAP = "mapping of texts"
    LOGIT_BIAS = "list of pairs [token id, number or `-inf`]"
    ANY = "any value"


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind with its bounds.

    `low` and `high` bound numbers (inclusive); `choices` are the words of a CHOICE, or the only
    numbers allowed; `item` is the rule of a LIST's items; `fields` are an OBJECT's.
    A RATIO is a number from 0 to 1, or `max` or `off`.
    """

    kind: Kind
    low: float | None = None
    high: float | None = None
    choices: tuple[str | int, ...] = ()
    item: "Rule | None" = None
    fields: Mapping[str, "Rule"] = field(default_factory=dict)

    @property
    def expectation(self) -> str:
        """Return what a value has to be, in words: `a whole number from 1 to 1023`."""
        match self.kind:
            case Kind.NUMBER | Kind.INTEGER if self.choices:
                return f"one of {_listed(self.choices)}"
            case Kind.NUMBER | Kind.INTEGER:
                return f"a {self.kind}{self._bounds()}"
            case Kind.CHOICE:
                return f"one of {_listed(self.choices)}"
            case Kind.RATIO:
                return "a number from 0 to 1, `max` or `off`"
            case Kind.LIST if self.item is not None:
                return f"a list of {self.item.expectation}"
            case Kind.OBJECT:
                return f"a mapping of {_listed(tuple(self.fields))}"
            case Kind.LIST | Kind.TEXT_MAP | Kind.LOGIT_BIAS:
                return f"a {self.kind}"
        return str(self.kind.value)

    def check(self, value: Any) -> Any:
        """Return the value in its one normal form. Raises ValueError saying what was expected."""
        match self.kind:
            case Kind.ANY:
                return value
            case Kind.CHOICE:
                return self._choice(value)
            case Kind.NUMBER | Kind.INTEGER:
                return self._number(value)
            case Kind.RATIO:
                return value if value in ("max", "off") else self._number(value)
            case Kind.BOOLEAN if isinstance(value, bool):
                return value
            case Kind.TEXT if isinstance(value, str):
                return value
        return self._collection(value)

    def _collection(self, value: Any) -> Any:
        match self.kind, value:
            case Kind.LIST, list() | tuple():
                return [self.item.check(each) if self.item else each for each in value]
            case Kind.LOGIT_BIAS, list() | tuple():
                return [self._bias(each) for each in value]
            case Kind.OBJECT, Mapping():
                return self._object(value)
            case Kind.TEXT_MAP, Mapping() if all(isinstance(v, str) for v in value.values()):
                return dict(value)
        raise self._unexpected(value)

    def _choice(self, value: Any) -> Any:
        if value in self.choices and not isinstance(value, bool):
            return value
        raise ValueError(
            f"expected {self.expectation}, found {show(value)}"
            + did_you_mean(value, self.choices, prefix="; ")
        )

    def _number(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._unexpected(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise self._unexpected(value)
        if self.kind is Kind.INTEGER and value != int(value):
            raise self._unexpected(value)
        low, high = (0, 1) if self.kind is Kind.RATIO else (self.low, self.high)
        if (low is not None and value < low) or (high is not None and value > high):
            raise self._unexpected(value)
        if self.choices and value not in self.choices:
            raise self._unexpected(value)
        return int(value) if value == int(value) else value

    def _object(self, value: Mapping[str, Any]) -> dict[str, Any]:
        checked = {}
        for name, each in value.items():
            if name not in self.fields:
                raise ValueError(
                    f"unknown field `{name}`, expected {self.expectation}"
                    + did_you_mean(name, self.fields, prefix="; ")
                )
            try:
                checked[name] = self.fields[name].check(each)
            except ValueError as error:
                raise ValueError(f"`{name}`: {error}") from error
        return checked

    def _bias(self, pair: Any) -> list[Any]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"expected {self.expectation}, found {show(pair)} in it")
        token, bias = pair
        number = bias if bias == "-inf" else Rule(Kind.NUMBER).check(bias)
        return [Rule(Kind.INTEGER, 0).check(token), number]

    def _bounds(self) -> str:
        match self.low, self.high:
            case None, None:
                return ""
            case low, None:
                return f" of at least {low:g}"
            case None, high:
                return f" of at most {high:g}"
        return f" from {self.low:g} to {self.high:g}"

    def _unexpected(self, value: Any) -> ValueError:
        return ValueError(f"expected {self.expectation}, found {show(value)}")


def show(value: Any, *, named: bool = False) -> str:
    """Return a found value as a message shows it; `named` leaves out that a text is a text."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"`{value}`"
        case str():
            shown = f"`{value if len(value) <= 40 else value[:37] + '…'}`"
            return shown if named else f"the text {shown}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return f"`{value}`"


def _listed(words: tuple[str | int, ...]) -> str:
    shown = [f"`{each}`" for each in words]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} or {shown[-1]}"
