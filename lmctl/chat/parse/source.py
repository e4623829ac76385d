"""The text of an answer as far as it has come, with a place up to which it has been read."""

import re
from collections.abc import Callable, Generator, Iterable
from functools import lru_cache
from typing import Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""What reads a source: it yields when it needs more text, and returns what it found."""

Emit = Callable[[str], None]
_MUCH: Final = 4096
"""How much text has to be read before it is dropped: dropping copies the rest."""
_SPACE: Final = re.compile(r"\s*")


class NotACall(Exception):
    """What looked like a call is none: its text is content."""


class Source:
    """Positions count from the beginning of the answer; text before the place may be forgotten."""

    def __init__(self) -> None:
        self._text = ""
        self._base = 0
        self.at = 0
        self.closed = False

    def add(self, text: str) -> None:
        """Put more text at the end."""
        self._text += text

    @property
    def ended(self) -> bool:
        """Whether all that has come is read, and no more will come."""
        return self.closed and self._here == len(self._text)

    def since(self, begin: int) -> str:
        """Return the text from a position up to the place."""
        return self._text[begin - self._base : self._here]

    def begins(self, mark: str) -> bool:
        """Tell whether the text that is there begins with a mark at the place."""
        return self._text.startswith(mark, self._here)

    def forget(self) -> None:
        """Drop what has been read: nobody will go back to it."""
        if self._here >= _MUCH:
            self._text = self._text[self._here :]
            self._base = self.at

    @property
    def _here(self) -> int:
        return self.at - self._base

    def back(self, place: int) -> None:
        """Go back to a place, as far as the text there is not forgotten."""
        self.at = max(place, self._base)

    def more(self) -> Steps[bool]:
        """Wait for more text; tell whether there is any."""
        size = len(self._text)
        while len(self._text) == size and not self.closed:
            yield
        return len(self._text) > size

    def peek(self) -> Steps[str]:
        """Return the next character without reading it; empty at the end."""
        while self._here == len(self._text) and (yield from self.more()):
            pass
        return self._text[self._here : self._here + 1]

    def spaces(self) -> Steps[None]:
        """Read whitespace."""
        while True:
            self.match(_SPACE)
            if self._here < len(self._text) or not (yield from self.more()):
                return

    def match(self, pattern: re.Pattern[str]) -> str:
        """Read what the pattern matches of the text that is there; no waiting."""
        found = pattern.match(self._text, self._here)
        text = found.group() if found else ""
        self.at += len(text)
        return text

    def ahead(self, mark: str) -> Steps[bool]:
        """Tell whether the mark comes next; waits only as long as it still can."""
        while True:
            there = self._text[self._here : self._here + len(mark)]
            if there == mark:
                return True
            if not mark.startswith(there) or not (yield from self.more()):
                return False

    def take(self, mark: str) -> Steps[bool]:
        """Read the mark if it comes next."""
        found = yield from self.ahead(mark)
        if found:
            self.at += len(mark)
        return found

    def take_any(self, marks: Iterable[str]) -> Steps[str]:
        """Read the first of the marks that comes next; return it, empty for none."""
        for mark in marks:
            if (yield from self.take(mark)):
                return mark
        return ""

    def need(self, *marks: str) -> Steps[None]:
        """Read one of the marks. Raises NotACall when none comes next."""
        if not (yield from self.take_any(marks)):
            raise NotACall

    def until(self, marks: tuple[str, ...], *, most: int) -> Steps[str | None]:
        """Read up to the first of the marks and return the text before it, None when it does not
        come within `most` characters. The mark is not read.
        """
        pieces: list[str] = []
        begin = self.at
        found = yield from self.flow(marks, pieces.append, most=most)
        if found:
            return "".join(pieces)
        self.at = begin
        return None

    def flow(
        self, marks: tuple[str, ...], emit: Emit, *, trim: bool = False, most: int = 0
    ) -> Steps[str]:
        """Read up to the first of the marks, handing over text as soon as it can be no part of one.
        Return the mark, which is not read; empty when the text ended, or after `most` characters.

        With `trim` whitespace right before the mark is dropped.
        """
        search, begin = _search(marks), self.at
        while True:
            here = self._here
            if found := search.search(self._text, here):
                before = self._text[here : found.start()]
                self.at += len(before)
                _hand(emit, before.rstrip() if trim else before)
                return found.group()
            sure = _sure(self._text, here, marks)
            shown = self._text[here:sure].rstrip() if trim else self._text[here:sure]
            self.at += len(shown)  # first: who takes the text may let what is read be forgotten
            _hand(emit, shown)
            if (most and self.at - begin > most) or not (yield from self.more()):
                break
        if self.closed:
            here = self._here
            self.at += len(self._text) - here
            _hand(emit, self._text[here:])
        return ""


def _hand(emit: Emit, text: str) -> None:
    if text:
        emit(text)


@lru_cache(maxsize=64)
def _search(marks: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(marks, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


@lru_cache(maxsize=64)
def _beginnings(marks: tuple[str, ...]) -> tuple[int, re.Pattern[str], frozenset[str]]:
    """Return what tells whether a text ends within a mark: how long that may be, the characters
    marks begin with, and every beginning there is.
    """
    longest = max(map(len, marks), default=1) - 1
    first = "".join(re.escape(char) for char in sorted({mark[0] for mark in marks}))
    beginnings = {mark[:size] for mark in marks for size in range(1, len(mark))}
    return longest, re.compile(f"[{first}]" if first else "(?!)"), frozenset(beginnings)


def _sure(text: str, here: int, marks: tuple[str, ...]) -> int:
    """Return where in the text the part begins that may be the beginning of a mark."""
    longest, first, beginnings = _beginnings(marks)
    place = max(here, len(text) - longest)
    while found := first.search(text, place):
        place = found.start()
        if text[place:] in beginnings:
            return place
        place += 1
    return len(text)
