"""Switches a model offers: what values they take, and what each value does to a conversation."""

from typing import Any, Literal

import msgspec


class TemplateVariable(msgspec.Struct, frozen=True, tag=True):
    """The value is handed to the chat template, as this variable."""

    name: str

    def __str__(self) -> str:
        return f"sets {self.name}"


class PromptWords(msgspec.Struct, frozen=True, tag=True):
    """While the switch is on these words stand before the system prompt, or behind it."""

    words: str
    before: bool

    def __str__(self) -> str:
        return f"{'prepends' if self.before else 'appends'} {self.words!r}"


class CustomField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One switch. Its value may stand under any of the full keys in `settings`; the first is its own,
    the others are those of the models it is based on. `options` are what a select chooses among;
    a number is `least` to `most`, without a fraction if it is `whole`.
    """

    key: str
    settings: tuple[str, ...]
    kind: Literal["boolean", "string", "select", "number"]
    default: Any = None
    effects: tuple[TemplateVariable | PromptWords, ...] = ()
    options: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    whole: bool = False

    def __str__(self) -> str:
        return "; ".join((f"{self.expectation}, {self.default!r}", *map(str, self.effects)))

    @property
    def expectation(self) -> str:
        """Return what a value has to be, in words."""
        if self.kind == "select":
            return f"one of {', '.join(self.options)}"
        if self.kind != "number":
            return "true or false" if self.kind == "boolean" else "text"
        kind = "a whole number" if self.whole else "a number"
        match self.least, self.most:
            case float() | int() as low, float() | int() as high:
                return f"{kind} from {low:g} to {high:g}"
            case float() | int() as low, None:
                return f"{kind} of at least {low:g}"
            case None, float() | int() as high:
                return f"{kind} of at most {high:g}"
        return kind

    def fits(self, value: Any) -> bool:
        """Say whether the switch can have this value."""
        if self.kind == "number":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and self._within(float(value))
        if self.kind == "boolean":
            return isinstance(value, bool)
        return isinstance(value, str) and (self.kind == "string" or value in self.options)

    def _within(self, number: float) -> bool:
        low = self.least is None or number >= self.least
        high = self.most is None or number <= self.most
        return low and high and (not self.whole or number.is_integer())
