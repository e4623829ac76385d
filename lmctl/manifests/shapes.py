"""Which manifest type stands where: pydantic's locations and our documents, walked together.

Pydantic puts the tags of unions into its locations (`sources, 0, pypi, file`), where they cannot
be told from keys without the types.
"""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Tag
from pydantic.fields import FieldInfo

Path = tuple[str | int, ...]


def trace(root: type[BaseModel], location: tuple[str | int, ...]) -> tuple[Path, Any]:
    """Return the path in the document a pydantic location names, and the type expected there."""
    here: Any = root
    path: list[str | int] = []
    for part in location:
        members = _members(here)
        if len(members) > 1 and (member := _tagged(members, part)) is not None:
            here = member
            continue
        path.append(part)
        here = _below(members, part)
    return tuple(path), here


def unknown_keys(root: type[BaseModel], value: Any) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield the path of every key that a native file has beyond its types, and the keys known there."""
    yield from _unknown(root, value, ())


def fields_of(here: Any) -> tuple[str, ...]:
    """Return the names of the fields expected at a type, as they are written."""
    return tuple(name for each in _members(here) for name in _aliases(each))


def words_of(here: Any) -> tuple[str, ...]:
    """Return the words a type allows, if it is one of words."""
    bare = [_bare(each) for each in _members(here)]
    return tuple(
        str(word) for each in bare if get_origin(each) is Literal for word in get_args(each)
    )


def types_of(here: Any) -> tuple[str, ...]:
    """Return the values of `type` that tell the members of a union apart."""
    return tuple(tag for each in _members(here) for tag in _tags(each))


def _unknown(here: Any, value: Any, path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    here = _chosen(_members(here), value)
    if isinstance(value, list) and get_origin(here) is tuple:
        for index, each in enumerate(value):
            yield from _unknown(get_args(here)[0], each, (*path, index))
    elif isinstance(value, dict) and get_origin(here) is Mapping:
        for key, each in value.items():
            yield from _unknown(get_args(here)[1], each, (*path, key))
    elif isinstance(value, dict) and (fields := _aliases(here)):
        for key, each in value.items():
            if key in fields:
                yield from _unknown(fields[key].annotation, each, (*path, key))
            else:
                yield (*path, key), tuple(fields)


def _members(here: Any) -> tuple[Any, ...]:
    """Return the types of a union without None, each still with its tag; or the type alone."""
    bare = _bare(here)
    if get_origin(bare) not in (Union, UnionType):
        return (here,)
    return tuple(each for each in get_args(bare) if each is not type(None))


def _bare(here: Any) -> Any:
    while get_origin(here) is Annotated:
        here = get_args(here)[0]
    return here


def _below(members: tuple[Any, ...], part: str | int) -> Any:
    for each in map(_bare, members):
        if isinstance(part, str) and part in (fields := _aliases(each)):
            return fields[part].annotation
        if isinstance(part, int) and get_origin(each) is tuple:
            return get_args(each)[0]
        if isinstance(part, str) and get_origin(each) is Mapping:
            return get_args(each)[1]
    return Any


def _tagged(members: tuple[Any, ...], tag: str | int) -> Any:
    return next((each for each in members if tag in _tags(each)), None)


def _tags(member: Any) -> tuple[Any, ...]:
    tags = [each.tag for each in getattr(member, "__metadata__", ()) if isinstance(each, Tag)]
    kind = _aliases(_bare(member)).get("type")
    if kind is not None and get_origin(kind.annotation) is Literal:
        tags.extend(get_args(kind.annotation))
    return tuple(tags)


def _chosen(members: tuple[Any, ...], value: Any) -> Any:
    """Return the member a value of the document is meant for."""
    if len(members) == 1:
        return _bare(members[0])
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return _bare(_tagged(members, value["type"]))
    bare = [_bare(each) for each in members]
    if isinstance(value, list):
        return next((each for each in bare if get_origin(each) is tuple), None)
    return next((each for each in bare if _aliases(each)), None)


def _aliases(here: Any) -> dict[str, FieldInfo]:
    here = _bare(here)
    if not isinstance(here, type) or not issubclass(here, BaseModel):
        return {}
    return {field.alias or name: field for name, field in here.model_fields.items()}
