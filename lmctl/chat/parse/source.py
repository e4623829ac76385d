"""The text of an answer as far as it has come, with a place up to which it has been read."""

import re
from collections.abc import Callable, Generator, Iterable
from functools import lru_cache
from typing import Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""What reads a source: it yields when it needs more text, and returns what it found."""

Emit = Callable[[str], None]
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
    def rest(self) -> str:
        """The text that has come and is not read yet."""
        return self._text[self.at - self._base :]

    def since(self, begin: int) -> str:
        """Return the text from a position up to the place."""
        return self._text[begin - self._base : self.at - self._base]

    def forget(self) -> None:
        """Drop what has been read: nobody will go back to it."""
        self._text = self.rest
        self._base = self.at

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
        while not self.rest and (yield from self.more()):
            pass
        return self.rest[:1]

    def spaces(self) -> Steps[None]:
        """Read whitespace."""
        while True:
            self.match(_SPACE)
            if self.rest or not (yield from self.more()):
                return

    def match(self, pattern: re.Pattern[str]) -> str:
        """Read what the pattern matches of the text that is there; no waiting."""
        found = pattern.match(self._text, self.at - self._base)
        text = found.group() if found else ""
        self.at += len(text)
        return text

    def ahead(self, mark: str) -> Steps[bool]:
        """Tell whether the mark comes next; waits only as long as it still can."""
        while True:
            rest = self.rest
            if rest.startswith(mark):
                return True
            if not mark.startswith(rest) or not (yield from self.more()):
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
        search = _search(marks)
        begin = self.at
        while True:
            rest = self.rest
            if found := search.search(rest):
                before = rest[: found.start()]
                _hand(emit, before.rstrip() if trim else before)
                self.at += found.start()
                return found.group()
            sure = len(rest) - _tail(rest, marks)
            sure = len(rest[:sure].rstrip()) if trim else sure
            _hand(emit, rest[:sure])
            self.at += sure
            if (most and self.at - begin > most) or not (yield from self.more()):
                break
        if self.closed:
            _hand(emit, self.rest)
            self.at += len(self.rest)
        return ""


def _hand(emit: Emit, text: str) -> None:
    if text:
        emit(text)


@lru_cache(maxsize=64)
def _search(marks: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(marks, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _tail(text: str, marks: tuple[str, ...]) -> int:
    """Return how many characters at the end may be the beginning of a mark."""
    longest = max(map(len, marks), default=1) - 1
    for size in range(min(longest, len(text)), 0, -1):
        tail = text[-size:]
        if any(mark.startswith(tail) for mark in marks):
            return size
    return 0
