"""What a chat template can do: it is asked, by a small conversation with a tool and a call in it.

What it writes for that also says which format the model was trained on; marks that a template
puts together from pieces are seen whole there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Message, Tool, ToolCall
from lmctl.chat.formats import Format, Formats, Frame, Thought
from lmctl.chat.parse.calls import Offered
from lmctl.chat.parse.parser import Parser, Reading
from lmctl.chat.template import render, variables_of
from lmctl.chat.writing import Written, can_write

_NAME: Final = "lmctl_probe"
_ABOUT: Final = "what the probe is about"
_RESULT: Final = "what the probe returned"
_TOOL: Final = Tool(
    _NAME, _ABOUT, {"type": "object", "properties": {"lmctl_key": {"type": "string"}}}
)
_CALL: Final = ToolCall("123456789", _NAME, '{"lmctl_key": "lmctl_value"}')
_ASKED_TEXT: Final = "what the probe is asked"
_ASKED: Final = Message("user", _ASKED_TEXT)
_CALLED: Final = Message("assistant", tool_calls=(_CALL,))
_ANSWERED: Final = Message("tool", _RESULT, name=_NAME, tool_call_id=_CALL.id)
_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ability:
    """`format` is how its model writes calls, None when that is not known. `tools` says that the
    template shows the model tools and results; else they are described in plain words. `calls`
    says that it shows calls too; else they are written for it.
    `written` is how it writes a call, None in channels. `variables` are those it has for thinking.
    """

    format: Format | None
    written: Written | None
    tools: bool
    calls: bool
    thought: Thought | None
    variables: frozenset[str]


@lru_cache(maxsize=8)
def ability(template: str, formats: Formats) -> Ability:
    """Return what a template can do."""
    shown = _shown(template)
    calls = "lmctl_value" in shown
    knows = _ABOUT in shown and _RESULT in shown
    seen = template + shown
    thoughts = formats.thoughts
    names = (*thoughts.switches, thoughts.effort, thoughts.budget)
    found = _first(formats.families, seen)
    written = _written(found, shown) if found else None
    knows = knows and found is not None and (calls or (written is not None and can_write(written)))
    return Ability(
        format=found,
        written=written if knows else Written(formats.plain.frames[0]),
        tools=knows,
        calls=calls,
        thought=next((each for each in thoughts.families if _fits(each.when, seen)), None),
        variables=variables_of(template) & frozenset(names),
    )


def _written(form: Format, shown: str) -> Written | None:
    """Return the frame whose call is found in what the template wrote."""
    if form.channels is not None:
        return None
    after = shown[shown.rfind(_ASKED_TEXT) :]
    opened = next((mark for mark in form.opens if mark in after), "")
    closed = next((mark for mark in form.closes if mark in after), "")
    fits = (frame for frame in form.frames if _calls(form, frame, after))
    return Written(next(fits, form.frames[0]), opened, closed)


def _calls(form: Format, frame: Frame, text: str) -> bool:
    """Tell whether a call is found in a text by one frame alone."""
    at = text.find(frame.begin) if frame.begin else text.find("{")
    only = msgspec.structs.replace(form, frames=(frame,))
    tools = {_NAME: Offered(_NAME, _TOOL.parameters or {})}
    parser = Parser(Reading(formats=(only,), tools=tools), new_id=lambda: "")
    parser.push(text[max(at, 0) :])
    parser.finish()
    return at >= 0 and parser.called


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
