"""A grammar for answers that may say anything, and in which what begins as a call is one (Lark).

So the model decides whether it calls, and the arguments of a strict tool are what its schema allows
all the same. A call begins with a mark of the model's own format; text and thoughts may not have
that mark. Where a format has none, only what the answer begins with can be a call.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lmctl.base.talk import Tool
from lmctl.chat.forced import Rules, after_begin, listed, one_of, words
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
    calls = []
    for begin in begins:
        first = _first(begin, tokens)
        calls.append(rules.rule(_row(_up_to(rules, first, tokens), _rest(rules, way, begin, first),
                     after_begin(rules, way, call, single=single, closes=begin == way.opened))))  # fmt: skip
    others = [
        rules.rule(f"FREE <[{token}]>")
        for mark, token in tokens.items()
        if not any(begin.startswith(mark) for begin in begins)
    ]
    free = f"FREE: {_free(way, [_first(each, tokens) for each in begins], tokens)}"
    if not begins:
        calls = [rules.rule(_row("SPACE", after_begin(rules, way, call, single=single)))]
    if single or not begins:
        start = _row(_many(others), f"({' | '.join(['FREE', *calls])})")
    else:
        start = _row(_many([*calls, *others]), "FREE")
    return rules.written(start, free, *words(rules, way.frame))


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


def _free(way: Written, firsts: Sequence[str], tokens: Mapping[str, int]) -> str:
    """Return what text may be that is no call."""
    if not firsts:
        bracket = "[" if listed(way.frame) else "{"
        return f"{_ANYTHING} & ~/[ \\n]*\\{bracket}(?s:.*)/"
    marks = [re.escape(each).replace("/", r"\/") for each in firsts if each not in tokens]
    return f"{_ANYTHING} & ~/(?s:.*)({'|'.join(marks)})(?s:.*)/" if marks else _ANYTHING


def _many(rules: Sequence[str]) -> str:
    return f"({' | '.join(rules)})*" if rules else ""


def _row(*parts: str) -> str:
    return " ".join(each for each in parts if each)
