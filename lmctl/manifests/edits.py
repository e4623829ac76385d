"""Edits of an object -> the new text of the file that declares it, proven to say just that."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lmctl.base.digests import canonical
from lmctl.base.errors import BadRequest, Refused
from lmctl.manifests import suggest
from lmctl.manifests.decoding import UTF8_MARK
from lmctl.manifests.edit_paths import Edit, Pick
from lmctl.manifests.edit_settings import native_setting, own_spelling
from lmctl.manifests.reading import Declared
from lmctl.manifests.yaml_edit import Text, shown
from lmctl.manifests.yaml_render import bare
from lmctl.manifests.yaml_source import parse
from lmctl.manifests.yaml_spans import spans

Path = tuple[str | int, ...]
_TOP: Final = ("apiVersion", "kind", "metadata", "spec")
_NAMES: Final = ("name", "key", "instance", "identifier")


def edited(declared: Declared, content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the content of the object's file with the edits made, all else as it was.

    Raises BadRequest for an edit that leads nowhere, and Refused when the text could not be
    changed without changing what else it says.
    """
    file = declared.place().file
    mark = UTF8_MARK if content.startswith(UTF8_MARK) else b""
    text = content.removeprefix(UTF8_MARK).decode()
    editor = _Editor(declared, file, text)
    for each in edits:
        editor.make(each)
    return mark + editor.text.encode()


class _Editor:
    """Makes edits one after the other, each in the text and, for proof, in the values it says."""

    def __init__(self, declared: Declared, file: str, text: str) -> None:
        self.text = text
        self._declared = declared
        self._file = file
        self._json = file.endswith(".json")
        top = declared.document.place(())
        found = spans(text, json=self._json)
        self._document = next(
            index
            for index, each in enumerate(found)
            if (each.line, each.column) == (top.line, top.column)
        )

    def make(self, edit: Edit) -> None:
        values = self._values()
        before = values[self._place_of_document(values)]
        path, value = self._meant(edit, before)
        text = Text(self.text, document=self._document, json=self._json)
        if edit.remove:
            text.remove(path, keep=self._outer)
        else:
            text.set(path, value)
        wanted = copy.deepcopy(values)
        here = wanted[self._place_of_document(values)]
        if edit.remove:
            _take_out(here, path, keep=self._outer)
        else:
            _put_in(here, path, bare(value))
        self._prove(text.text, wanted, path)
        self.text = text.text

    @property
    def _outer(self) -> int:
        """Return how many levels stay even when nothing is left in them: `spec`, a tool server."""
        if self._declared.kind == "McpServer":
            return len(self._wrapper(self._values()[0])) + 1
        return int(self._declared.kind in _OWN and not self._declared.hidden)

    def _wrapper(self, values: Any) -> tuple[str, ...]:
        return ("mcpServers",) if "mcpServers" in values else ()

    def _values(self) -> list[Any]:
        return [each.value for each in parse(self._file, self.text.encode()).documents]

    def _place_of_document(self, values: Sequence[Any]) -> int:
        """Return the index among the documents that say something; edits move none of them."""
        if len(values) == 1:
            return 0
        found = spans(self.text, json=self._json)
        kinds = [each.kind != "scalar" or each.start < each.end for each in found]
        return sum(kinds[: self._document])

    def _prove(self, text: str, wanted: Sequence[Any], path: Path) -> None:
        parsed = parse(self._file, text.encode())
        values = [each.value for each in parsed.documents]
        if parsed.diagnostics or canonical(values) != canonical(wanted):
            raise Refused(
                f"`{shown(path)}` cannot be changed without changing something else in {self._file}",
                hint="an alias, a merge or an unusual spelling is in the way: edit the file by hand",
            )

    def _meant(self, edit: Edit, values: Any) -> tuple[Path, Any]:
        """Return the path in the document, and the value as that file spells it."""
        path: tuple[str | int | Pick, ...] = edit.path
        kind = self._declared.kind
        if kind in _OWN:
            path = path if path[0] in _TOP else ("spec", *path)
            if self._declared.hidden and path[0] != "spec":
                raise BadRequest(f"{self._file} leaves `{path[0]}` out", hint="edit what is in it")
            path = own_spelling(path, values if not self._declared.hidden else {"spec": values})
            return _picked(path[self._declared.hidden :], values), edit.value
        if kind == "McpServer":
            whole = (*self._wrapper(values), self._declared.name, *path)
            return _picked(whole, values), edit.value
        native = native_setting(kind, path, edit.value, values, remove=edit.remove)
        return native or (_picked(path, values), edit.value)


_OWN: Final = frozenset({"Server", "Instance", "Runtime", "Route"})


def _picked(path: Sequence[str | int | Pick], values: Any) -> Path:
    """Return a path with every item that is called by its name counted out."""
    found: list[str | int] = []
    here = values
    for part in path:
        index = _index(part.word, here, found) if isinstance(part, Pick) else part
        found.append(index)
        here = _below(here, index)
    return tuple(found)


def _index(word: str, items: Any, above: Sequence[str | int]) -> int:
    names = [_name(each) for each in items] if isinstance(items, list) else []
    if word not in names:
        raise BadRequest(
            f"`{shown(above)}` has no item `{word}`",
            hint=suggest.hint(word, [each for each in names if each], what="items")
            if names
            else None,
        )
    return names.index(word)


def _name(item: Any) -> str:
    named = item if isinstance(item, Mapping) else {}
    return str(next((named[each] for each in _NAMES if each in named), item))


def _below(values: Any, part: str | int) -> Any:
    try:
        return values[part]
    except (KeyError, IndexError, TypeError):
        return None


def _put_in(values: Any, path: Path, value: Any) -> None:
    """Do in plain values what the edit does in the text."""
    here = values
    for index, key in enumerate(path):
        last = index + 1 == len(path)
        following = value if last else ([] if isinstance(path[index + 1], int) else {})
        if isinstance(key, int) and key == len(here):
            here.append(following)
        elif last or _below(here, key) is None:
            here[key] = following
        here = here[key]


def _take_out(values: Any, path: Path, *, keep: int) -> None:
    trail = [values]
    for key in path:
        below = _below(trail[-1], key)
        if below is None and key not in (trail[-1] if isinstance(trail[-1], dict) else ()):
            return
        trail.append(below)
    depth = len(path) - 1
    while depth > keep and len(trail[depth]) == 1 and isinstance(trail[depth - 1], dict):
        depth -= 1
    del trail[depth][path[depth]]
