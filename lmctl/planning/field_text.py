"""A field's value as a person reads it in a diff: as YAML would have it, on one short line."""

import json
from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 60


def shown(value: Any, *, none: str = "off") -> str:
    """Return a value as text; a long one is cut, and `none` stands for None."""
    match value:
        case None:
            return none
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case str():
            text = value
        case Mapping() | list() | tuple():
            text = json.dumps(value, ensure_ascii=False, default=str)
        case _:
            text = str(value)
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"
