"""Pieces of the one layout: what stands between two tokens, and scalars of several lines."""

import re
from collections.abc import Sequence
from typing import Final

STEP: Final = 2
_HEADER = re.compile(r"[|>](?:[+-]?[1-9]|[1-9]?[+-])?")


class Gap:
    """The text between two tokens: a comment behind the first, then lines of comments or nothing.

    `fresh` says that the gap begins a line, at the start of a file for example. `columns` are where
    its own comments stood.
    """

    def __init__(self, text: str, *, fresh: bool, last: bool) -> None:
        lines = text.split("\n")
        self.broken = fresh or last or len(lines) > 1
        self._fresh = fresh
        self._behind = "" if fresh else lines.pop(0).strip()
        if not last and self.broken:
            lines = lines[:-1]  # the indentation of the token that follows
        self._own = [each.strip() for each in lines]
        self.columns = [len(each) - len(each.lstrip()) for each in lines if each.strip()]

    def text(self, indent: int, comments: Sequence[int], *, last: bool) -> str:
        """Return the gap in its one layout; `comments` are the columns its comments get."""
        made = f" {self._behind}" if self._behind else ""
        made += "" if self._fresh else "\n"
        columns = iter(comments)
        begun, blank = not self._fresh, False
        for line in self._own:
            if line:
                made += ("\n" if blank else "") + " " * next(columns) + line + "\n"
                begun, blank = True, False
            else:
                blank = begun
        if last:
            return made
        return made + ("\n" if blank else "") + " " * indent


def folded(words: str, indent: int) -> str:
    """Return a plain or quoted scalar of several lines, those after the first at a column."""
    first, *more = words.split("\n")
    return "\n".join(
        [first, *(" " * indent + each.lstrip(" \t") if each.strip() else "" for each in more)]
    )


def block_scalar(words: str, *, parent: tuple[int, int], indent: int) -> str:
    """Return a `|` or `>` scalar with its body at a column; `parent` is the column its collection
    had and the one it gets, from which an indentation given by number counts.
    """
    head, *body = words.split("\n")
    digits = [each for each in (_HEADER.match(head) or [""])[0] if each.isdigit()]
    if digits:
        old, indent = (column + int(digits[0]) for column in parent)
    else:
        said = [len(each) - len(each.lstrip(" ")) for each in body if each.strip(" ")]
        old = said[0] if said else 0
    return "\n".join([head.rstrip(), *(_moved(each, old, indent) for each in body)])


def _moved(line: str, old: int, new: int) -> str:
    return " " * new + line[old:] if len(line) > old else ""
