"""What one rendering of a chat template may use: steps, characters, and texts of a length.

Everything a template does is counted here, so that none can keep a runner busy for ever or fill its
memory, whichever way it goes about it: loops, macros that call macros, texts that double, lists that
hold each other, fields a million characters wide.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jinja2
from jinja2.utils import Namespace

LONGEST_TEXT: Final = 8 * 1024 * 1024
MOST_STEPS: Final = 1_000_000
MOST_CHARACTERS: Final = 128 * LONGEST_TEXT
MOST_DIGITS: Final = 10**12
WIDEST_INDENT: Final = 64
_AT_A_STEP: Final = 16
"""Items that one step copies: the interpreter does that much faster than a turn of a loop."""
_WIDE: Final = re.compile(r"%[^a-zA-Z%]*(?:\d{5}|\*)")
_WIDE_FIELD: Final = re.compile(r":[^{}]*(?:\d{5}|\{)")


@dataclass(slots=True)
class Meter:
    """What is left to one rendering. All of it raises TemplateRuntimeError once it is used up."""

    steps: int = MOST_STEPS
    characters: int = MOST_CHARACTERS

    def spend(self, steps: int = 1) -> None:
        """Count steps."""
        self.steps -= steps
        if self.steps < 0:
            raise refused(f"the template takes more than {MOST_STEPS} steps")

    def weigh(self, value: Any) -> None:
        """Count what making or copying a value takes; what is in a container is not looked at."""
        if isinstance(value, str):
            self._read(len(value))
        elif isinstance(value, list | tuple | dict | range):
            self.spend(1 + len(value) // _AT_A_STEP)
            fits(len(value))

    def weigh_whole(self, value: Any) -> None:
        """Count a value with all that is in it: what writing it down or comparing it takes."""
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, str):
                self._read(len(each))
            elif isinstance(each, Mapping):
                self.spend(1 + len(each))
                waiting += each.values()
            elif isinstance(each, list | tuple):
                self.spend(1 + len(each))
                waiting += each
            elif isinstance(each, Namespace):
                raise refused("the template writes down a namespace")

    def _read(self, characters: int) -> None:
        fits(characters)
        self.characters -= characters
        if self.characters < 0:
            raise refused(f"the template works on more than {MOST_CHARACTERS} characters")


def refused(why: str) -> jinja2.TemplateRuntimeError:
    """Return what ends a rendering, for a reason its user is told."""
    return jinja2.TemplateRuntimeError(why)


def fits(size: int) -> None:
    """Raise unless something of this size may be made."""
    if size > LONGEST_TEXT:
        raise refused(f"the template makes more than {LONGEST_TEXT} characters")


def check_operands(operator: str, left: Any, right: Any) -> None:
    """Raise unless what an operator makes of these fits."""
    match operator, left, right:
        case "*", str() | list() | tuple(), int():
            fits(len(left) * right)
        case "*", int(), str() | list() | tuple():
            fits(left * len(right))
        case "%", str(), _:
            check_percent(left)
        case "**", int() | float(), int() | float() if abs(left) > MOST_DIGITS or abs(right) > 64:
            raise refused("a power in the template is too large")
        case "*", int(), int() if abs(left) > MOST_DIGITS or abs(right) > MOST_DIGITS:
            raise refused("a product in the template is too large")
        case "+", str() | list() | tuple(), str() | list() | tuple():
            fits(len(left) + len(right))
        case _:
            pass


def check_percent(text: str) -> None:
    """Raise unless every field of a `%` text has a width that fits."""
    if _WIDE.search(text):
        raise refused("a field in the template is too wide")


def check_format(text: str) -> None:
    """Raise unless every field of a `format` text has a width that fits and stands in the text."""
    if _WIDE_FIELD.search(text):
        raise refused("a field in the template is too wide")


def check_replaced(text: str, old: str, new: str) -> None:
    """Raise unless a text with one part in place of another fits."""
    fits(len(text) + text.count(old) * len(new))


def check_joined(pieces: Sequence[Any], between: str) -> None:
    """Raise unless the pieces fit, with something between each two."""
    fits(sum(len(each) for each in pieces if isinstance(each, str)) + len(between) * len(pieces))


def check_indented(text: str, width: int | str) -> None:
    """Raise unless a text fits whose every line begins with so much."""
    wide = len(width) if isinstance(width, str) else width
    if wide > WIDEST_INDENT:
        raise refused(f"the template indents by more than {WIDEST_INDENT}")
    fits(len(text) + text.count("\n") * wide)
