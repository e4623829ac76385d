"""Names of tools as a model can write them: what the client calls a tool may have spaces or dots."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lmctl.base.talk import ToolNaming

_SPECIAL: Final = re.compile(r"[^A-Za-z0-9_-]+")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def told_names(names: Iterable[str], naming: ToolNaming) -> Mapping[str, str]:
    """Return for each name what the model is told; no two are told the same."""
    told: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        wanted = told_name(name, naming)
        found, number = wanted, 2
        while found in taken:
            found, number = f"{wanted}_{number}", number + 1
        taken.add(found)
        told[name] = found
    return told


def told_name(name: str, naming: ToolNaming) -> str:
    """Return a name in the given style; one that has nothing left of it becomes `tool`."""
    words = [word.lower() for word in _WORD.findall(name)]
    match naming:
        case "passThrough":
            return name
        case "snakeCase":
            found = "_".join(words)
        case "camelCase":
            found = "".join(words[:1] + [word.capitalize() for word in words[1:]])
        case "removeSpecial":
            found = _SPECIAL.sub("", name)
    return found or "tool"
