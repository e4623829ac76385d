"""GBNF rules as a Lark grammar that allows the same texts.

The two read alike and mean different things: GBNF compares characters, and every way to read a text
counts; Lark first cuts a text into terminals, the longest that fits, and never looks back. So what
calls no rule that calls itself becomes one terminal, which is compared as GBNF would; in rules that
do, a terminal is one character.
"""

from typing import Final

from lmctl.base.errors import BadRequest
from lmctl.chat.gbnf import (
    Characters,
    Choice,
    Node,
    Reference,
    Repeat,
    Rules,
    Sequence,
    parse,
)

_ROOT: Final = "root"


def to_lark(text: str) -> str:
    """Return a GBNF grammar's text in Lark. Raises BadRequest with line and column."""
    rules = parse(text)
    reached = _reached(rules)
    _check_ends(rules, reached)
    recursive = _recursive(rules, reached)
    names = {
        name: (f"r{number}" if recursive else f"R{number}") for number, name in enumerate(reached)
    }
    lines = [f"start: {names[_ROOT]}"]
    lines += [f"{names[name]}: {_written(rules[name], names)}" for name in reached]
    return "\n".join(lines) + "\n"


def _reached(rules: Rules) -> list[str]:
    """Return the names of the rules that `root` leads to, itself first."""
    found = [_ROOT]
    for name in found:
        found += [each for each in dict.fromkeys(_named(rules[name])) if each not in found]
    return found


def _named(node: Node) -> list[str]:
    match node:
        case Reference(name=name):
            return [name]
        case Sequence(items=inside) | Choice(options=inside):
            return [name for each in inside for name in _named(each)]
        case Repeat(item=item):
            return _named(item)
        case Characters():
            return []


def _recursive(rules: Rules, reached: list[str]) -> bool:
    """Whether any rule calls itself."""
    waiting = {name: set(_named(rules[name])) for name in reached}
    while ready := [name for name, calls in waiting.items() if not calls & waiting.keys()]:
        for name in ready:
            del waiting[name]
    return bool(waiting)


def _check_ends(rules: Rules, reached: list[str]) -> None:
    """Raise BadRequest when no text can ever be complete."""
    ends: set[str] = set()
    while found := {name for name in reached if name not in ends and _ends(rules[name], ends)}:
        ends |= found
    if _ROOT not in ends:
        raise BadRequest(
            f"the grammar's `{_ROOT}` calls itself without an end: no answer is ever complete",
            param="grammar",
        )


def _ends(node: Node, known: set[str]) -> bool:
    match node:
        case Reference(name=name):
            return name in known
        case Sequence(items=items):
            return all(_ends(each, known) for each in items)
        case Choice(options=options):
            return any(_ends(each, known) for each in options)
        case Repeat(item=item, least=least):
            return least == 0 or _ends(item, known)
        case Characters():
            return True


def _written(node: Node, names: dict[str, str]) -> str:
    match node:
        case Reference(name=name):
            return names[name]
        case Sequence(items=()):
            return '""'
        case Sequence(items=items):
            return "(" + " ".join(_written(each, names) for each in items) + ")"
        case Choice(options=options):
            return "(" + " | ".join(_written(each, names) for each in options) + ")"
        case Repeat(item=item, least=least, most=most):
            return f"({_written(item, names)}){{{least},{'' if most is None else most}}}"
        case Characters(ranges=ranges):
            return f"/[{''.join(map(_range, ranges))}]/"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return rf"\x{{{low:x}}}" + (rf"-\x{{{high:x}}}" if high > low else "")
