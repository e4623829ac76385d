"""Random values in random hands: the same mapping as somebody else might have typed it."""

import json
import random
from typing import Any

from hypothesis import strategies as st

WORDS = ("a", "name", "load", "x-y", "llm.load.seed", "spec", "no", "b c", "1st", "Ünï")
SCALARS: tuple[Any, ...] = (
    1, 0.25, True, False, "text", "two words", "8Gi", "0.3", "true", "a: b", "# no", "", "it's",
    "line\nbreak\n", "tab\there", "-", "~", "null", 10**20, "\U0001f600", "{x}", "end\n\nmore",
)  # fmt: skip
COMMENTS = ("# one", "#two", "# a: b", "# [", '# it\'s "quoted"')

values = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=14,
)
mappings = st.dictionaries(st.sampled_from(WORDS), values, min_size=1, max_size=5)


class Hand:
    """Somebody with habits of their own, another at every place; remembers the comments made."""

    def __init__(self, seed: int, *, comments: bool = True) -> None:
        self._random = random.Random(seed)
        self._comments = comments
        self.comments: list[str] = []

    def pick(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def document(self, value: dict[str, Any]) -> str:
        return self._own_lines(0) + "".join(self._entries(value, 0)) + self._own_lines(0)

    def _entries(self, value: dict[str, Any], indent: int, *, first: bool = True) -> list[str]:
        made: list[str] = []
        for key, each in value.items():
            above = self._own_lines(indent) if first or made else ""
            made.append(above + " " * indent + self._key(key) + ":" + self._value(each, indent))
        return made

    def _value(self, value: Any, indent: int, *, item: bool = False) -> str:
        if isinstance(value, dict) and value and self.pick(True, True, False):
            inner = indent + self.pick(1, 2, 4)
            if item and inner > indent + 1 and self.pick(True, False):
                lines = self._entries(value, inner, first=False)
                return " " * (inner - indent - 1) + "".join(lines)[inner:]
            return self._end() + "".join(self._entries(value, inner))
        if isinstance(value, list) and value and self.pick(True, True, False):
            inner = indent + (self.pick(1, 2, 3) if item else self.pick(0, 2, 4))
            return self._end() + "".join(
                self._own_lines(inner) + " " * inner + "-" + self._value(each, inner, item=True)
                for each in value
            )
        if isinstance(value, str) and "\n" in value and self._blockable(value):
            return " |" + ("" if value.endswith("\n") else "-") + "\n" + self._body(value, indent)
        return self.pick(" ", "   ") + self._flow(value, indent) + self._end()

    def _body(self, value: str, indent: int) -> str:
        deep = " " * (indent + self.pick(1, 2, 3))
        lines = value.removesuffix("\n").split("\n")
        return "".join((deep + each if each else "") + "\n" for each in lines)

    def _blockable(self, value: str) -> bool:
        return not value.startswith(("\n", " ")) and self.pick(True, False)

    def _flow(self, value: Any, indent: int) -> str:
        space = self.pick("", " ")
        between = self.pick(",", ", ", ",\n" + " " * (indent + 3))
        if isinstance(value, dict):
            pairs = (f"{self._key(key)}: {self._flow(each, indent)}" for key, each in value.items())
            return "{" + space + between.join(pairs) + space + "}"
        if isinstance(value, list):
            return (
                "[" + space + between.join(self._flow(each, indent) for each in value) + space + "]"
            )
        return self._scalar(value)

    def _key(self, key: str) -> str:
        return json.dumps(key, ensure_ascii=False) if self.pick(True, False) else key

    def _scalar(self, value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        if value in ("text", "two words", "8Gi") and self.pick(True, False):
            return value
        if "\n" not in value and "\t" not in value and self.pick(True, False):
            return "'" + value.replace("'", "''") + "'"
        return (
            json.dumps(value, ensure_ascii=self.pick(True, False))
            if self._bmp(value)
            else f'"{value}"'
        )

    def _bmp(self, value: str) -> bool:
        return all(ord(each) < 0x10000 for each in value)

    def _end(self) -> str:
        if self._comments and self.pick(False, False, True):
            return self.pick(" ", "   ") + self._comment() + "\n"
        return self.pick("", "", "  ") + "\n"

    def _own_lines(self, indent: int) -> str:
        if not self._comments:
            return ""
        made = ""
        for kind in self.pick((), (), ("blank",), ("comment",), ("blank", "blank", "comment")):
            made += "\n" if kind == "blank" else " " * indent + self._comment() + "\n"
        return made

    def _comment(self) -> str:
        made = self.pick(*COMMENTS)
        self.comments.append(made)
        return made
