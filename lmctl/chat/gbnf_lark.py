"""GBNF rules as a Lark grammar that allows the same texts.

The two read alike and mean different things: GBNF compares characters, and every way to read a text
counts; Lark first cuts a text into terminals, the longest that fits, and never looks back. So what
calls no rule that calls itself becomes one terminal, which is compared as GBNF would; in rules that
do, terminals are as long as they may be (see `gbnf_terminals`), one character at least.
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
from lmctl.chat.gbnf_terminals import calls_only, cut

_ROOT: Final = "root"


def to_lark(text: str) -> str:
    """Return a GBNF grammar's text in Lark. Raises BadRequest with line and column."""
    every = parse(text)
    rules = {name: every[name] for name in _reached(every)}
    _check_ends(rules)
    return _Writer(rules).grammar()


class _Writer:
    """Writes rules: `r1` is a rule, `R1` a terminal, `T1` a terminal that is no whole rule."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._regular = _regular(rules)
        self._cut = set() if _ROOT in self._regular else cut(rules, self._regular)
        self._numbers = {name: number for number, name in enumerate(rules)}
        self._terminals: list[str] = []

    def grammar(self) -> str:
        lines = [f"start: r{self._numbers[_ROOT]}"]
        lines += [
            f"r{self._numbers[name]}: {self._rule(body)}" for name, body in self._rules.items()
        ]
        lines += [
            f"R{self._numbers[name]}: {self._terminal(self._rules[name])}"
            for name in self._rules
            if name in self._regular
        ]
        return "\n".join([*lines, *self._terminals]) + "\n"

    def _rule(self, node: Node) -> str:
        if id(node) not in self._cut and calls_only(node, self._regular):
            return self._named(node)
        match node:
            case Reference(name=name):
                return f"r{self._numbers[name]}"
            case Sequence(items=items):
                return "(" + " ".join(map(self._rule, items)) + ")" if items else '""'
            case Choice(options=options):
                return "(" + " | ".join(map(self._rule, options)) + ")"
            case Repeat(item=item):
                return f"({self._rule(item)}){_times(node)}"
            case Characters():
                return _class(node)

    def _named(self, node: Node) -> str:
        """Return the name of a terminal; the empty text, which none can be, is left to the rule."""
        name = f"T{len(self._terminals)}"
        if not _empties(node, self._rules):
            self._terminals.append(f"{name}: {self._terminal(node)}")
            return name
        self._terminals.append(f"{name}: {self._terminal(node)} & /(?s:.+)/")
        return f"{name}?"

    def _terminal(self, node: Node) -> str:
        match node:
            case Reference(name=name):
                return f"R{self._numbers[name]}"
            case Sequence(items=items):
                return "(" + " ".join(map(self._terminal, items)) + ")" if items else '""'
            case Choice(options=options):
                return "(" + " | ".join(map(self._terminal, options)) + ")"
            case Repeat(item=item):
                return f"({self._terminal(item)}){_times(node)}"
            case Characters():
                return _class(node)


def _times(node: Repeat) -> str:
    return f"{{{node.least},{'' if node.most is None else node.most}}}"


def _class(node: Characters) -> str:
    return f"/[{''.join(map(_range, node.ranges))}]/"


def _empties(node: Node, rules: Rules) -> bool:
    """Whether a node that calls nothing that calls itself may be the empty text."""
    match node:
        case Reference(name=name):
            return _empties(rules[name], rules)
        case Sequence(items=items):
            return all(_empties(each, rules) for each in items)
        case Choice(options=options):
            return any(_empties(each, rules) for each in options)
        case Repeat(item=item, least=least):
            return least == 0 or _empties(item, rules)
        case Characters():
            return False


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


def _regular(rules: Rules) -> set[str]:
    """Return the names of the rules that call none that calls itself."""
    waiting = {name: set(_named(body)) for name, body in rules.items()}
    while ready := [name for name, calls in waiting.items() if not calls & waiting.keys()]:
        for name in ready:
            del waiting[name]
    return set(rules) - set(waiting)


def _check_ends(rules: Rules) -> None:
    """Raise BadRequest when no text can ever be complete."""
    ends: set[str] = set()
    while found := {name for name, body in rules.items() if name not in ends and _ends(body, ends)}:
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


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return rf"\x{{{low:x}}}" + (rf"-\x{{{high:x}}}" if high > low else "")
