"""What a field is, found by the path a person would write: `instance.load.contextLength`."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from lmctl.base.errors import NotFound
from lmctl.manifests.schema import KINDS, schema
from lmctl.manifests.schema_fields import SchemaField, fields
from lmctl.manifests.settings_keys import Domain, Section, by_key
from lmctl.manifests.suggest import hint

_MARKS = re.compile(r"\[[^\]]*\]|\(\w+\)|\.\*")
_SECTIONS = {Section.LOAD: "load", Section.OPERATION: "operation"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A kind or a field of it (`field` None for the kind itself), and the fields right below."""

    kind: str
    meaning: str
    field: SchemaField | None
    below: tuple[SchemaField, ...]


def explain(path: str) -> tuple[Explanation, ...]:
    """Return what is known of a path; several for a field that takes several forms.

    The first part is a kind, in any case, also in the plural. `spec` and marks for items (`[]`,
    `[0]`) may be left out; a full settings key (`llm.load.contextLength`) will do too. Raises
    NotFound with what was probably meant.
    """
    if found := _by_key(path):
        return found
    word, _, rest = path.partition(".")
    kind = _kind(word)
    if not rest:
        below = _below(kind, "spec") or _below(kind, "")  # what people look for in our own kinds
        return (Explanation(kind, _words(kind), None, below),)
    asked = _bare(rest)
    for wanted in (asked, f"spec.{asked}"):
        if matches := [each for each in _fields(kind) if _fits(each.path, wanted)]:
            return tuple(_explained(kind, each) for each in matches)
    raise NotFound(f"{kind} has no field `{rest}`", hint=_hint(kind, asked))


def _by_key(path: str) -> tuple[Explanation, ...]:
    setting = by_key(path)
    if setting is None or setting.domain is not Domain.LLM or setting.section not in _SECTIONS:
        return ()
    return explain(f"instance.spec.{_SECTIONS[setting.section]}.{setting.name}")


def _kind(word: str) -> str:
    name = word.lower()
    for each in (name, name.removesuffix("s")):
        if each in KINDS:
            return each
    raise NotFound(f"unknown kind `{word}`", hint=hint(word, KINDS, what="kinds"))


@cache
def _schema(kind: str) -> dict[str, Any]:
    return schema(kind)


@cache
def _fields(kind: str) -> tuple[SchemaField, ...]:
    return tuple(fields(_schema(kind)))


def _words(kind: str) -> str:
    return str(_schema(kind).get("description", ""))


def _explained(kind: str, field: SchemaField) -> Explanation:
    return Explanation(kind, field.meaning, field, _below(kind, field.path))


def _below(kind: str, path: str) -> tuple[SchemaField, ...]:
    """Return the fields right below a path, those of every form it takes."""
    start = f"{path}." if path else ""
    pattern = re.compile(rf"{re.escape(path)}(?:\[\]|\(\w+\)|\.\*)*\.\w+") if start else None
    return tuple(
        each
        for each in _fields(kind)
        if (pattern.fullmatch(each.path) if pattern else "." not in each.path)
    )


def _bare(path: str) -> str:
    return _MARKS.sub("", path)


def _fits(path: str, wanted: str) -> bool:
    """Say whether a field is the one meant; a name of the user's own may stand for a `.*`."""
    if _bare(path) == wanted:
        return True
    if ".*" not in path:
        return False
    pattern = ".".join(re.escape(each) for each in _MARKS.sub(_named, path).split("."))
    return re.fullmatch(pattern.replace("\0", "[^.]+"), wanted) is not None


def _named(mark: re.Match[str]) -> str:
    return ".\0" if mark[0] == ".*" else ""


def _hint(kind: str, asked: str) -> str:
    """Return the field probably meant, or the fields at the last part that is known."""
    names = {_bare(each.path): each for each in _fields(kind)}
    parts = asked.split(".")
    for length in range(len(parts) - 1, -1, -1):
        for start in ("", "spec"):
            above = ".".join(filter(None, (start, *parts[:length])))
            known = [
                each.removeprefix(f"{above}.").removeprefix(".")
                for each in names
                if not above or each.startswith(f"{above}.")
            ]
            direct = [each for each in known if "." not in each]
            if direct and (length or start or kind in ("model", "preset", "mcp")):
                return hint(parts[length], direct, what=f"fields of `{above or kind}`")
    return f"`lmctl explain {kind}` lists its fields"
