"""GBNF, llama.cpp's notation of grammars, as a tree; what is wrong is told with line and column."""

from dataclasses import dataclass
from typing import Final, NoReturn

from lmctl.base.errors import BadRequest

LAST_CHARACTER: Final = 0x10FFFF
MOST_RULES: Final = 1000
MOST_REPEATS: Final = 2000
DEEPEST: Final = 60
_ROOT: Final = "root"
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "[": "[", "]": "]"}
_HEX: Final = {"x": 2, "u": 4, "U": 8}

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Characters:
    """One character of these ranges, ends included; in ascending order."""

    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One after the other; none of them is the empty text."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Any one of them."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """So many times; `most` None is without end."""

    item: "Node"
    least: int
    most: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a rule says."""

    name: str
    at: int


Node = Characters | Sequence | Choice | Repeat | Reference
Rules = dict[str, Node]


def parse(text: str) -> Rules:
    """Return the rules by name; `root` is among them, and every rule referred to is.

    Raises BadRequest with line and column.
    """
    return _Parser(text).rules()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open = 0
        self._references: list[Reference] = []

    def rules(self) -> Rules:
        found: Rules = {}
        self._skip(lines=True)
        while self._peek():
            begin = self._at
            name = self._name("a rule's name")
            if name in found:
                self._fail(f"the rule `{name}` is there twice", begin)
            self._skip(lines=False)
            if not self._taken("::="):
                self._fail(f"expected `::=` after `{name}`")
            self._skip(lines=True)
            found[name] = self._choice()
            if len(found) > MOST_RULES:
                self._fail(f"more than {MOST_RULES} rules")
            if self._peek() not in {"", "\n", "\r"}:
                self._fail(f"unexpected `{self._peek()}`")
            self._skip(lines=True)
        self._check(found)
        return found

    def _check(self, found: Rules) -> None:
        if _ROOT not in found:
            self._fail(f"there is no rule `{_ROOT}`, where an answer begins", 0)
        for each in self._references:
            if each.name not in found:
                self._fail(f"there is no rule `{each.name}`", each.at)

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._taken("|"):
            self._skip(lines=True)
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Node:
        items: list[Node] = []
        while (item := self._item()) is not None:
            self._skip(lines=self._open > 0)
            while (repeated := self._repeated(item)) is not item:
                item = repeated
                self._skip(lines=self._open > 0)
            items.append(item)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _item(self) -> Node | None:
        match self._peek():
            case '"':
                return self._literal()
            case "[":
                return self._class()
            case ".":
                self._at += 1
                return Characters(((0, LAST_CHARACTER),))
            case "(":
                return self._group()
            case letter if _is_word(letter):
                begin = self._at
                reference = Reference(self._name("a rule"), begin)
                self._references.append(reference)
                return reference
            case _:
                return None

    def _group(self) -> Node:
        begin = self._at
        self._at += 1
        self._open += 1
        if self._open > DEEPEST:
            self._fail(f"more than {DEEPEST} groups in each other")
        self._skip(lines=True)
        found = self._choice()
        if not self._taken(")"):
            self._fail("a `(` is not closed", begin)
        self._open -= 1
        return found

    def _literal(self) -> Node:
        begin = self._at
        self._at += 1
        found: list[Node] = []
        while not self._taken('"'):
            if not self._peek():
                self._fail("a text is not closed", begin)
            letter = self._character()
            found.append(Characters(((letter, letter),)))
        return found[0] if len(found) == 1 else Sequence(tuple(found))

    def _class(self) -> Node:
        begin = self._at
        self._at += 1
        negated = self._taken("^")
        ranges: list[Range] = []
        while not self._taken("]"):
            if not self._peek():
                self._fail("a `[` is not closed", begin)
            low = high = self._character()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._at += 1
                high = self._character()
            if high < low:
                self._fail("a range ends before it begins")
            ranges.append((low, high))
        merged = _merged(ranges)
        found = _others(merged) if negated else merged
        if not found:
            self._fail("no character is in this class", begin)
        return Characters(found)

    def _repeated(self, item: Node) -> Node:
        """Return the item as often as what follows it says; the item itself where nothing does."""
        begin = self._at
        for mark, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._taken(mark):
                return Repeat(item, least, most)
        if not self._taken("{"):
            return item
        least, most = self._counts()
        if most is not None and most < least:
            self._fail("the most is less than the least", begin)
        if max(least, most or 0) > MOST_REPEATS:
            self._fail(f"more than {MOST_REPEATS} repeats", begin)
        return Repeat(item, least, most)

    def _counts(self) -> tuple[int, int | None]:
        self._skip(lines=True)
        least = most = self._number()
        self._skip(lines=True)
        end: int | None = most
        if self._taken(","):
            self._skip(lines=True)
            end = self._number() if self._peek().isdigit() else None
            self._skip(lines=True)
        if not self._taken("}"):
            self._fail("expected `}`")
        return least, end

    def _number(self) -> int:
        begin = self._at
        while self._peek().isdigit():
            self._at += 1
        if begin == self._at or self._at - begin > len(str(MOST_REPEATS)):
            self._fail("expected a number of repeats", begin)
        return int(self._text[begin : self._at])

    def _character(self) -> int:
        begin = self._at
        letter = self._peek()
        self._at += 1
        if letter != "\\":
            return ord(letter)
        kind = self._peek()
        self._at += 1
        if kind in _ESCAPES:
            return ord(_ESCAPES[kind])
        digits = self._text[self._at : self._at + _HEX.get(kind, 0)]
        self._at += len(digits)
        if kind in _HEX and len(digits) == _HEX[kind] and _is_hex(digits):
            return self._point(int(digits, 16), begin)
        return self._fail(f"`\\{kind}` is no escape", begin)

    def _point(self, point: int, begin: int) -> int:
        if point > LAST_CHARACTER or 0xD800 <= point <= 0xDFFF:
            self._fail("no character has this number", begin)
        return point

    def _name(self, what: str) -> str:
        begin = self._at
        while _is_word(self._peek()):
            self._at += 1
        if begin == self._at:
            self._fail(f"expected {what}")
        return self._text[begin : self._at]

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _taken(self, mark: str) -> bool:
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _skip(self, *, lines: bool) -> None:
        """Skip blanks and comments, and line ends where they mean nothing."""
        while letter := self._peek():
            if letter == "#":
                while self._peek() not in {"", "\n", "\r"}:
                    self._at += 1
            elif letter in " \t" or (lines and letter in "\r\n"):
                self._at += 1
            else:
                return

    def _fail(self, reason: str, at: int | None = None) -> NoReturn:
        before = self._text[: self._at if at is None else at]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise BadRequest(f"the grammar, line {line}, column {column}: {reason}", param="grammar")


def _is_word(letter: str) -> bool:
    return letter.isascii() and (letter.isalnum() or letter in {"-", "_"})


def _is_hex(digits: str) -> bool:
    return all(each in "0123456789abcdefABCDEF" for each in digits)


def _merged(ranges: list[Range]) -> tuple[Range, ...]:
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def _others(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """Return all characters that are not in ascending ranges."""
    found: list[Range] = []
    begin = 0
    for low, high in ranges:
        if begin < low:
            found.append((begin, low - 1))
        begin = high + 1
    if begin <= LAST_CHARACTER:
        found.append((begin, LAST_CHARACTER))
    return tuple(found)
