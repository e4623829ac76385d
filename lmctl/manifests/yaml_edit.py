"""One change in the text of a manifest: everything else stays where and how it was.

Comments, blank lines, quotes, order and style are the user's. The text around a change is never
written anew; what is added takes the style of its neighbours.
"""

from collections.abc import Sequence
from typing import Any

from lmctl.base.errors import BadRequest
from lmctl.manifests.yaml_render import STEP, block, flow, scalar, spread
from lmctl.manifests.yaml_spans import BLOCK_SCALARS, Entry, Span, spans

Key = str | int


class Text:
    """The text of one file, changed in place by each call; `document` is the one that is meant."""

    def __init__(self, text: str, *, document: int = 0, json: bool = False) -> None:
        self.text = text
        self._document = document
        self._json = json
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def set(self, path: Sequence[Key], value: Any) -> None:
        """Give a value to what stands at a path, or add it and all that leads to it.

        Raises BadRequest where the path leads through a scalar, an alias or past a list's end.
        """
        parent = self._top()
        entry: Entry | None = None
        for depth, key in enumerate(path):
            if parent.kind == "scalar" and parent.start == parent.end and entry is not None:
                return self._replace(entry, _nested(path[depth:], value))
            self._passable(parent, path[:depth], key)
            found = parent.entry(key)
            if found is None:
                return self._add(parent, path, depth, value)
            parent, entry = found.value, found
        if entry is not None:
            self._replace(entry, value)
        return None

    def remove(self, path: Sequence[Key], *, keep: int = 1) -> None:
        """Take out what stands at a path; nothing happens where nothing does. What is left with
        nothing in it goes as well, but for the outermost `keep` levels below the document.
        """
        trail: list[tuple[Span, Entry]] = []
        parent = self._top()
        for depth, key in enumerate(path):
            if parent.kind == "scalar":
                return
            self._passable(parent, path[:depth], key)
            found = parent.entry(key)
            if found is None:
                return
            trail.append((parent, found))
            parent = found.value
        while len(trail) > keep + 1 and _alone(*trail[-1]) and trail[-2][0].kind == "mapping":
            trail.pop()
        owner, entry = trail[-1]
        if _alone(owner, entry):
            empty = "{}" if owner.kind == "mapping" else "[]"
            self._empty(owner, trail[-2][1] if len(trail) > 1 else None, empty)
        elif owner.flow:
            self._cut(*_flow_cut(owner, entry))
        else:
            self._cut_lines(owner, entry)

    def _top(self) -> Span:
        return spans(self.text, json=self._json)[self._document]

    def _passable(self, parent: Span, above: Sequence[Key], key: Key) -> None:
        where = shown(above) or "the document"
        if parent.kind == "alias":
            raise BadRequest(
                f"{where} at line {parent.line} is an alias: what it stands for is used elsewhere too",
                hint="write the value out in the file first",
            )
        if parent.kind == "mapping" and isinstance(key, str):
            return
        if parent.kind == "sequence" and isinstance(key, int) and 0 <= key <= len(parent.entries):
            return
        kind = {"sequence": f"a list of {len(parent.entries)}", "mapping": "a mapping"}
        found = kind.get(parent.kind, "no mapping or list")
        raise BadRequest(f"{where} is {found}: `{shown([key])}` is not in it")

    # what is there already

    def _replace(self, entry: Entry, value: Any) -> None:
        old = entry.value
        words = self._inline(value, entry.start)
        if old.start == old.end:
            self._put(entry.after, entry.after, f" {words}")
        elif "\n" in self.text[entry.after : old.start]:  # it stands below its key
            self._put(self._line_end(entry.after), self._line_end(old.end), "")
            at = self._code_end(entry.after)
            self._put(at, at, f" {words}")
        elif old.style in BLOCK_SCALARS:
            self._put(self._line_end(old.start), old.end, "")
            self._put(old.start, self._code_end(old.start), words)
        else:
            self._put(old.start, old.end, words)

    def _empty(self, owner: Span, above: Entry | None, empty: str) -> None:
        if owner.flow:
            self._put(owner.start + 1, owner.inside, "")
        elif above is not None:
            self._replace(above, Empty(empty))
        else:
            raise BadRequest(
                "nothing would be left of the document", hint="delete the file instead"
            )

    # what is new

    def _add(self, parent: Span, path: Sequence[Key], depth: int, value: Any) -> None:
        key, nested = path[depth], _nested(path[depth + 1 :], value)
        if parent.flow:
            self._add_in_flow(parent, key, nested)
        elif isinstance(key, int):
            last = parent.entries[-1]
            self._add_lines(last, self._item(nested, last))
        else:
            last = parent.entries[-1]
            self._add_lines(last, block({key: nested}, self._column(last.start)))

    def _item(self, value: Any, beside: Entry) -> list[str]:
        """Return the lines of a list item in the style of the one beside it."""
        indent = " " * self._column(beside.start)
        block_style = beside.value.kind == "mapping" and not beside.value.flow
        if not block_style or not isinstance(value, dict) or not value:
            return [f"{indent}- {flow(value)}"]
        pairs = [f"{scalar(key)}: {flow(each)}" for key, each in value.items()]
        return [f"{indent}{'  ' if index else '- '}{each}" for index, each in enumerate(pairs)]

    def _add_lines(self, last: Entry, lines: list[str]) -> None:
        at = self._line_end(last.end)
        self._put(at, at, "".join(self._newline + each for each in lines))

    def _add_in_flow(self, parent: Span, key: Key, value: Any) -> None:
        last = parent.entries[-1] if parent.entries else None
        indent = self._own_line(last.start) if last else None
        words = self._inline(value, last.start if last else parent.start)
        if isinstance(key, str):
            words = f"{flow(key, strict=self._json)}: {words}"
        if last is None:
            self._put(parent.start + 1, parent.inside, words)
            return
        comma = self._comma(last.end, parent.inside)
        behind = last.end if comma is None else comma + 1
        if indent is None:
            self._put(behind, behind, f"{',' if comma is None else ''} {words}")
            return
        at = self._line_end(behind)  # past a comment, but not past the bracket
        at = behind if parent.inside < at else at
        self._put(at, at, f"{self._newline}{indent}{words}")
        if comma is None:
            self._put(last.end, last.end, ",")

    def _inline(self, value: Any, beside: int) -> str:
        """Return a value as it follows a key; a new collection of a JSON file gets lines of its own
        where its neighbours have theirs.
        """
        if isinstance(value, Empty):
            return str(value)
        indent = self._own_line(beside)
        if self._json and indent is not None and isinstance(value, dict | list) and value:
            return spread(value, len(indent), self._step())
        return flow(value, strict=self._json)

    def _own_line(self, start: int) -> str | None:
        """Return the indentation of what begins a line, None for what stands behind something."""
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        return before if not before.strip() and "\n" in self.text[:start] else None

    def _step(self) -> int:
        """Return by how much JSON is indented here: the first indented line tells."""
        for line in self.text.splitlines():
            if line[:1] == " " and line.strip():
                return len(line) - len(line.lstrip())
        return STEP

    # what goes

    def _cut_lines(self, owner: Span, entry: Entry) -> None:
        start = self.text.rfind("\n", 0, entry.start) + 1
        index = owner.entries.index(entry)
        if self.text[
            start : entry.start
        ].strip():  # the first key of an item shares its dash's line
            self._cut(entry.start, owner.entries[index + 1].start)
            return
        end = self._line_end(entry.end)
        if end < len(self.text):
            self._cut(start, end + len(self._newline))
        else:
            self._cut(max(0, start - len(self._newline)), end)

    def _cut(self, start: int, end: int) -> None:
        self._put(start, end, "")

    def _put(self, start: int, end: int, words: str) -> None:
        self.text = self.text[:start] + words + self.text[end:]

    # where things are

    def _column(self, index: int) -> int:
        return index - (self.text.rfind("\n", 0, index) + 1)

    def _line_end(self, index: int) -> int:
        found = self.text.find("\n", index)
        if found < 0:
            return len(self.text)
        return found - 1 if self._newline == "\r\n" and self.text[found - 1] == "\r" else found

    def _code_end(self, index: int) -> int:
        """Return where a line ends before its comment; `index` stands behind a colon or dash."""
        rest = self.text[index : self._line_end(index)]
        code = rest.split(" #", 1)[0] if " #" in rest else rest
        return index + len(code.rstrip())

    def _comma(self, start: int, end: int) -> int | None:
        """Return where a comma follows the last entry of a flow collection, comments passed over."""
        index = start
        while index < end:
            if self.text[index] == ",":
                return index
            if self.text[index] == "#":
                index = self._line_end(index)
            index += 1
        return None


class Empty(str):
    """Brackets with nothing in them, written as they are."""

    __slots__ = ()


def shown(path: Sequence[Key]) -> str:
    """Return a path as people write it."""
    words = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return words.removeprefix(".")


def _nested(path: Sequence[Key], value: Any) -> Any:
    """Return a value with all that leads to it below a key."""
    for key in reversed(path):
        if isinstance(key, int) and key != 0:
            raise BadRequest(
                f"`[{key}]` is past the end of a list that is not there yet", hint="[0]"
            )
        value = [value] if isinstance(key, int) else {key: value}
    return value


def _alone(owner: Span, entry: Entry) -> bool:
    return owner.entries == [entry]


def _flow_cut(owner: Span, entry: Entry) -> tuple[int, int]:
    """Return what to take out of a flow collection: an entry and one comma."""
    index = owner.entries.index(entry)
    if index + 1 < len(owner.entries):
        return entry.start, owner.entries[index + 1].start
    return owner.entries[index - 1].end, entry.end
