"""What `PATH=VALUE` says: `load.contextLength=8192`, `targets[chat].weight=10`, `labels."a.b"-`."""

import re
from dataclasses import dataclass
from typing import Any

from lmctl.base.errors import BadRequest
from lmctl.manifests.scalars import resolve
from lmctl.manifests.yaml_render import Raw
from lmctl.manifests.yaml_source import parse

_PART = re.compile(
    r"""(?P<name>[^.\[\]="'\s]+)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'"""
    r"""|\[(?P<index>\d+)\]|\[(?P<pick>[^\]"']+)\]|\[["'](?P<quoted>[^"']*)["']\]"""
)
_EXAMPLE = "write it like load.contextLength=8192, or load.contextLength- to take it out"


@dataclass(frozen=True, slots=True)
class Pick:
    """The item of a list that goes by this name: its `name`, `key`, `instance` or `identifier`."""

    word: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One wish: a value for a path, or (`remove`) that nothing stands there."""

    path: tuple[str | int | Pick, ...]
    value: Any = None
    remove: bool = False


def edit(text: str) -> Edit:
    """Return what one argument asks for.

    A value is read as YAML: a number, `true`, a text, or a collection in brackets. Raises
    BadRequest for what is neither `PATH=VALUE` nor `PATH-`.
    """
    path: list[str | int | Pick] = []
    index = 0
    while found := _PART.match(text, index):
        path.append(_part(found))
        index = found.end()
        if text[index : index + 1] == ".":
            index += 1
        elif text[index : index + 1] != "[":
            break
    rest = text[index:]
    if path and rest.startswith("="):
        return Edit(tuple(path), value(rest[1:]))
    if path and not rest and isinstance(path[-1], str) and path[-1][:-1] and path[-1][-1] == "-":
        return Edit((*path[:-1], path[-1].removesuffix("-")), remove=True)
    if path and rest == "-":
        return Edit(tuple(path), remove=True)
    raise BadRequest(f"`{text}` is no edit", hint=_EXAMPLE)


def value(text: str) -> Any:
    """Return what the words behind `=` mean.

    Raises BadRequest for a collection that is not closed and for a number no setting can have.
    """
    if text[:1] not in ("{", "[", '"', "'"):
        try:
            meant = resolve(text.strip()) if text.strip() else ""
        except ValueError as error:
            raise BadRequest(f"`{text}`: {error}", hint="quote it if text is meant") from error
        if isinstance(meant, int | float) and not isinstance(meant, bool):
            return Raw(text.strip())
        return text if isinstance(meant, str) else meant
    parsed = parse("value.yaml", text.encode())
    if parsed.diagnostics or len(parsed.documents) != 1:
        told = parsed.diagnostics[0] if parsed.diagnostics else None
        raise BadRequest(
            f"`{text}`: {told.message if told else 'expected one value'}",
            hint=told.hint if told else None,
        )
    return parsed.documents[0].value


def _part(found: re.Match[str]) -> str | int | Pick:
    if found["index"] is not None:
        return int(found["index"])
    if found["pick"] is not None:
        return Pick(found["pick"])
    return next(
        each for each in found.group("name", "double", "single", "quoted") if each is not None
    )
