"""Where the rules of a GBNF grammar may be cut into terminals without changing what they allow.

A terminal is taken as long as it can go on, so a part of a rule may be one only if nothing that may
follow it could also be more of it, or more of another terminal that may stand in its place. Parts
for which that is not so are cut into their own parts, down to single characters, which always may.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from lmctl.chat.gbnf import Characters, Choice, Node, Reference, Repeat, Rules, Sequence

MOST_STEPS: Final = 200_000
"""Steps of looking after which every part is cut: half a second."""

States = frozenset[int]


class TooLong(Exception):
    """To find out takes more steps than it is worth."""


def cut(rules: Rules, regular: set[str]) -> set[int]:
    """Return the ids of the nodes that must be cut; `regular` are the rules that call none of
    themselves. What calls one that does is always cut.
    """
    cutting = _Cutting(rules, regular)
    try:
        while worse := cutting.conflicts():
            cutting.cut |= worse
    except TooLong:
        return cutting.all_nodes()
    return cutting.cut


@dataclass
class _Leaf:
    """A part that may be a terminal, as an automaton: its places have numbers of their own."""

    node: Node
    nullable: bool
    first: States
    last: States
    follow: int = 0  # the characters that may come after it, as bits


@dataclass
class _Spans:
    """What a part begins with, and which leaves: all that is needed of its context."""

    nullable: bool
    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()


@dataclass
class _Cutting:
    rules: Rules
    regular: set[str]
    cut: set[int] = field(default_factory=set)
    _steps: int = 0

    def __post_init__(self) -> None:
        self._bits = _alphabet(self.rules)

    def all_nodes(self) -> set[int]:
        return {id(each) for body in self.rules.values() for each in _walk(body)}

    def is_leaf(self, node: Node) -> bool:
        return id(node) not in self.cut and calls_only(node, self.regular)

    def conflicts(self) -> set[int]:
        """Return the ids of nodes to cut next, none when all is well."""
        self._chars: list[int] = []
        self._after: list[set[int]] = []
        self._leaves: dict[int, _Leaf] = {}
        self._next: dict[int, set[int]] = {}
        spans = self._all_spans()
        for leaf, after in self._next.items():
            for place in (place for each in after for place in self._leaves[each].first):
                self._leaves[leaf].follow |= self._chars[place]
        together = self._together(spans["root"].first)
        worse = {id(node) for leaf in self._leaves.values() for node in self._worse(leaf, together)}
        return worse - self.cut

    def _worse(self, leaf: _Leaf, together: set[tuple[int, int]]) -> Iterator[Node]:
        """Yield what must be cut because a leaf may end where it or another goes on."""
        me = id(leaf.node)
        rivals = {other for one, other in together if one == me} | {me}
        owner = {place: each for each in rivals for place in self._places[each]}
        begin = frozenset(place for each in rivals for place in self._leaves[each].first)
        seen: set[tuple[States, States]] = set()
        waiting = list(self._moves(leaf.first, begin))
        while waiting:
            here = mine, all_ = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            if mine & leaf.last:
                longer = {
                    owner[place]
                    for state in all_
                    for place in self._after[state]
                    if self._chars[place] & leaf.follow
                }
                if longer:
                    others = longer - {me} or {me}
                    yield from (self._leaves[each].node for each in others)
                    return
            waiting += self._moves(self._follow(mine), self._follow(all_))

    def _follow(self, states: States) -> States:
        return frozenset(q for p in states for q in self._after[p])

    def _moves(self, mine: States, all_: States) -> Iterator[tuple[States, States]]:
        """Yield where each character leads that goes on in `mine`."""
        bits = 0
        for place in mine:
            bits |= self._chars[place]
        while bits:
            bit = bits & -bits
            bits ^= bit
            self._step(len(mine) + len(all_))
            yield (
                frozenset(p for p in mine if self._chars[p] & bit),
                frozenset(p for p in all_ if self._chars[p] & bit),
            )

    def _together(self, first: frozenset[int]) -> set[tuple[int, int]]:
        """Return the pairs of leaves that may begin at the same place of some text."""
        found: set[tuple[int, int]] = set()
        waiting = list(product(first, first))
        while waiting:
            pair = waiting.pop()
            if pair in found:
                continue
            self._step(1)
            found.add(pair)
            one, other = pair
            if one == other or self._share(self._leaves[one], self._leaves[other]):
                waiting += product(self._next[one], self._next[other])
        return found

    def _share(self, one: _Leaf, other: _Leaf) -> bool:
        """Whether some text may be both."""
        seen: set[tuple[States, States]] = set()
        waiting = list(self._moves(one.first, other.first))
        while waiting:
            here = waiting.pop()
            if here in seen or not all(here):
                continue
            seen.add(here)
            if here[0] & one.last and here[1] & other.last:
                return True
            waiting += self._moves(self._follow(here[0]), self._follow(here[1]))
        return False

    def _all_spans(self) -> dict[str, _Spans]:
        """Make the leaves, and find what may follow each."""
        self._places: dict[int, range] = {}
        spans = {name: _Spans(nullable=False) for name in self.rules}
        found = -1
        while True:
            fresh = {name: self._spans(body, spans) for name, body in self.rules.items()}
            known = sum(map(len, self._next.values()))
            if fresh == spans and known == found:
                return spans
            spans, found = fresh, known

    def _spans(self, node: Node, known: dict[str, _Spans]) -> _Spans:
        self._step(1)
        if self.is_leaf(node):
            return self._leaf_spans(node)
        match node:
            case Reference(name=name):
                return known[name]
            case Sequence(items=items):
                found = _Spans(nullable=True)
                for each in items:
                    found = self._joined(found, self._spans(each, known))
                return found
            case Choice(options=options):
                inside = [self._spans(each, known) for each in options]
                return _Spans(
                    any(each.nullable for each in inside),
                    frozenset().union(*(each.first for each in inside)),
                    frozenset().union(*(each.last for each in inside)),
                )
            case Repeat(item=item, least=least, most=most):
                once = self._spans(item, known)
                if most is None or most > 1:
                    self._joined(once, once)
                return _Spans(once.nullable or least == 0, once.first, once.last)
            case Characters():
                return self._leaf_spans(node)

    def _joined(self, left: _Spans, right: _Spans) -> _Spans:
        for each in left.last:
            self._next[each] |= right.first
        return _Spans(
            left.nullable and right.nullable,
            left.first | right.first if left.nullable else left.first,
            left.last | right.last if right.nullable else right.last,
        )

    def _leaf_spans(self, node: Node) -> _Spans:
        key = id(node)
        if key not in self._leaves:
            begin = len(self._chars)
            nullable, first, last = self._automaton(node)
            self._leaves[key] = _Leaf(node, nullable, first, last)
            self._next[key] = set()
            self._places[key] = range(begin, len(self._chars))
        leaf = self._leaves[key]
        mine = frozenset({key}) if leaf.first else frozenset()
        return _Spans(leaf.nullable, mine, mine)

    def _automaton(self, node: Node) -> tuple[bool, States, States]:
        """Add the places of a node; repeats are without end here, which only cuts more."""
        self._step(1)
        match node:
            case Characters(ranges=ranges):
                self._chars.append(self._bits[ranges])
                self._after.append(set())
                place = frozenset({len(self._chars) - 1})
                return False, place, place
            case Reference(name=name):
                return self._automaton(self.rules[name])
            case Sequence(items=items):
                nullable, first, last = True, frozenset[int](), frozenset[int]()
                for each in items:
                    more = self._automaton(each)
                    self._link(last, more[1])
                    first = first | more[1] if nullable else first
                    last = last | more[2] if more[0] else more[2]
                    nullable = nullable and more[0]
                return nullable, first, last
            case Choice(options=options):
                inside = [self._automaton(each) for each in options]
                return (
                    any(each[0] for each in inside),
                    frozenset().union(*(each[1] for each in inside)),
                    frozenset().union(*(each[2] for each in inside)),
                )
            case Repeat(item=item, least=least, most=most):
                nullable, first, last = self._automaton(item)
                if most is None or most > 1:
                    self._link(last, first)
                return nullable or least == 0, first, last

    def _link(self, ends: States, begins: States) -> None:
        for each in ends:
            self._after[each] |= begins

    def _step(self, count: int) -> None:
        self._steps += count
        if self._steps > MOST_STEPS:
            raise TooLong


def calls_only(node: Node, regular: set[str]) -> bool:
    """Whether all rules that a node calls are among these."""
    return all(each.name in regular for each in _walk(node) if isinstance(each, Reference))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Sequence(items=inside) | Choice(options=inside):
            for each in inside:
                yield from _walk(each)
        case Repeat(item=item):
            yield from _walk(item)
        case _:
            pass


def _alphabet(rules: Rules) -> dict[tuple[tuple[int, int], ...], int]:
    """Return the characters of each class as bits: characters that no class tells apart share one."""
    classes = {
        node.ranges
        for body in rules.values()
        for node in _walk(body)
        if isinstance(node, Characters)
    }
    edges = sorted({edge for each in classes for low, high in each for edge in (low, high + 1)})
    number = {edge: n for n, edge in enumerate(edges)}
    return {
        each: sum((1 << number[high + 1]) - (1 << number[low]) for low, high in each)
        for each in classes
    }
