"""What a chat template can do: it is asked, by a small conversation with a tool and a call in it.

What it writes for that also says which format the model was trained on; marks that a template
puts together from pieces are seen whole there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Message, Tool, ToolCall
from lmctl.chat.formats import Format, Formats, Thought
from lmctl.chat.template import render, variables_of

_NAME: Final = "lmctl_probe"
_ABOUT: Final = "what the probe is about"
_RESULT: Final = "what the probe returned"
_TOOL: Final = Tool(
    _NAME, _ABOUT, {"type": "object", "properties": {"lmctl_key": {"type": "string"}}}
)
_CALL: Final = ToolCall("123456789", _NAME, '{"lmctl_key": "lmctl_value"}')
_ASKED: Final = Message("user", "hello")
_CALLED: Final = Message("assistant", tool_calls=(_CALL,))
_ANSWERED: Final = Message("tool", _RESULT, name=_NAME, tool_call_id=_CALL.id)
_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ability:
    """`format` is how its model writes calls, None when that is not known. `tools` says that the
    template shows the model tools, calls and results; else they are described in plain words.
    `variables` are those it has for thinking.
    """

    format: Format | None
    tools: bool
    thought: Thought | None
    variables: frozenset[str]


@lru_cache(maxsize=8)
def ability(template: str, formats: Formats) -> Ability:
    """Return what a template can do."""
    shown = _shown(template)
    knows = _ABOUT in shown and "lmctl_value" in shown and _RESULT in shown
    seen = template + shown
    thoughts = formats.thoughts
    names = (*thoughts.switches, thoughts.effort, thoughts.budget)
    found = _first(formats.families, seen)
    return Ability(
        format=found,
        tools=knows and found is not None,
        thought=next((each for each in thoughts.families if _fits(each.when, seen)), None),
        variables=variables_of(template) & frozenset(names),
    )


def _shown(template: str) -> str:
    try:
        return render(template, (_ASKED, _CALLED, _ANSWERED), now=_THEN, tools=(_TOOL,))
    except BadRequest:
        return ""


def _first(families: tuple[Format, ...], seen: str) -> Format | None:
    for each in families:
        if _fits(each.when, seen) and not any(mark in seen for mark in each.unless):
            return each
    return None


def _fits(when: tuple[tuple[str, ...], ...], seen: str) -> bool:
    return any(all(mark in seen for mark in row) for row in when)
