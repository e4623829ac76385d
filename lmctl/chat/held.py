"""A grammar for answers that may say anything, and in which what begins as a call is one (Lark).

So the model decides whether it calls, and the arguments of a strict tool are what its schema allows
all the same. A call begins with a mark of the model's own format, or with JSON that names a tool;
text may have neither.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from lmctl.base.talk import Tool
from lmctl.chat.forced import Rules, after_begin, arguments_of, listed, one_of, words
from lmctl.chat.writing import Written

_ANYTHING: Final = "/(?s:.*)/"


def held(way: Written, tools: Sequence[Tool], tokens: Mapping[str, int], *, single: bool) -> str:
    """Return the grammar; `tools` are named as the model knows them, and `tokens` has the numbers of
    marks without text. Raises BadRequest when arguments of a strict tool cannot be held to its
    schema.
    """
    rules = Rules(tokens)
    call = one_of(rules, way.frame, tools)
    begins = tuple(dict.fromkeys(each for each in (way.opened, way.frame.begin) if each))
    firsts = {begin: _first(begin, tokens) for begin in begins}
    calls = [
        rules.rule(_row(_up_to(rules, first, tokens), _rest(rules, way, begin, first),
                        after_begin(rules, way, call, single=single, closes=begin == way.opened)))
        for begin, first in firsts.items()
    ]  # fmt: skip
    calls += [_loose(rules, tool) for tool in tools]
    others = [
        rules.rule(f"FREE <[{token}]>")
        for mark, token in tokens.items()
        if not any(begin.startswith(mark) for begin in begins)
    ]
    marks = [_escaped(each) for each in firsts.values() if each not in tokens]
    banned = "|".join([*marks, *(_named(each) for each in tools)])
    free = f"FREE: {_ANYTHING} & ~/(?s:.*)({banned})(?s:.*)/"
    if single:
        start = _row(_many(others), f"({' | '.join(['FREE', *calls])})")
    else:
        start = _row(_many([*calls, *others]), "FREE")
    if listed(way.frame) and not begins:  # nothing but its bracket says that it is a call
        only = rules.rule(_row("SPACE", after_begin(rules, way, call, single=single)))
        start, free = f"{only} | {start}", f"{free} & ~/[ \\n]*\\[(?s:.*)/"
    return rules.written(start, free, *words(rules, way.frame))


def _loose(rules: Rules, tool: Tool) -> str:
    """Return a rule for text up to a call in JSON of no format, and that call: small models write it
    so whatever they were told.
    """
    name = rules.rule(f"/(?s:.*){_named(tool)}/", options="[lazy]")
    key = '("\\"arguments\\"" | "\\"parameters\\"")'
    return rules.rule(
        f'{name} SPACE "," SPACE {key} SPACE ":" SPACE {arguments_of(tool)} SPACE "}}"'
    )


def _named(tool: Tool) -> str:
    """Return what text looks like that says it calls this tool."""
    return rf'"(name|function)"[ \n\r\t]*:[ \n\r\t]*{_escaped(json.dumps(tool.name))}'


def _escaped(text: str) -> str:
    return re.escape(text).replace("/", r"\/")


def _up_to(rules: Rules, first: str, tokens: Mapping[str, int]) -> str:
    """Return text up to and with a mark."""
    return f"FREE {rules.text(first)}" if first in tokens else rules.until(first)


def _rest(rules: Rules, way: Written, begin: str, first: str) -> str:
    """Return what comes between the first mark and the call itself."""
    left = rules.text(begin.removeprefix(first))
    return _row(left, "SPACE", rules.text(way.frame.begin)) if begin == way.opened else left


def _first(begin: str, tokens: Mapping[str, int]) -> str:
    """Return the mark a begin is known by: a control token of its own, or all of it but space."""
    own = max((each for each in tokens if begin.startswith(each)), key=len, default="")
    return own or begin.rstrip()


def _many(rules: Sequence[str]) -> str:
    return f"({' | '.join(rules)})*" if rules else ""


def _row(*parts: str) -> str:
    return " ".join(each for each in parts if each)
