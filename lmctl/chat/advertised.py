"""What clients are told a model can do, from its chat template alone and without running it."""

from typing import Final

from lmctl.chat.formats import Formats
from lmctl.chat.template import variables_of

_LEVELS: Final = ("off", "low", "medium", "high")


def takes_tools(template: str) -> bool:
    """Say whether a template shows the model tools."""
    return "tools" in variables_of(template)


def reasoning_options(template: str, formats: Formats) -> tuple[str, ...]:
    """Return how much its model can be asked to think; nothing where it never does.

    Off is always there: what has no switch is given an empty thought (`thinking.closed`).
    """
    thoughts, variables = formats.thoughts, variables_of(template)
    if thoughts.effort in variables:
        return _LEVELS
    rows = [row for family in thoughts.families for row in family.when]
    framed = any(all(mark in template for mark in row) for row in rows)
    return ("off", "on") if framed or variables & set(thoughts.switches) else ()
