"""Canonical form and digest: the one place where two things are decided to be the same."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec


def canonical(value: Any) -> str:
    """Return the one JSON text all equal values share: sorted keys, no spaces, no floats for ints."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the sha256 of the canonical form, as 64 hex characters."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def short(full: str) -> str:
    """Return the first twelve characters of a digest, enough for people."""
    return full[:12]


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | str():
            return value
        case float():
            return int(value) if value.is_integer() else value
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case set() | frozenset():
            return sorted((_plain(each) for each in value), key=canonical)
        case msgspec.Struct():
            return _plain(msgspec.structs.asdict(value)) | {"": type(value).__name__}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return _plain(named) | {"": type(value).__name__}
    if hasattr(value, "model_dump"):
        return _plain(value.model_dump(mode="json", by_alias=True, exclude_none=True))
    raise TypeError(f"no canonical form for {type(value).__name__}")
