"""Plain values -> the text of a manifest, in flow or block style, or as JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lmctl.manifests.scalars import resolve

STEP: Final = 2
# Plain text that means itself wherever it stands, also between brackets.
_PLAIN = re.compile(r"[A-Za-z0-9_./~$\\+-](?:[\w./@:+$*=%~\\ -]*[\w./@+$*=%~-])?", re.ASCII)
_AMBIGUOUS = re.compile(r": | #|:$|^[-?:](?: |$)|^---|^\.\.\.")


class Raw(str):
    """A number in the very words somebody wrote: `0x1000`, `2e-1`."""

    __slots__ = ()


def flow(value: Any, *, strict: bool = False) -> str:
    """Return a value on one line; `strict` is JSON."""
    if strict:
        return json.dumps(bare(value), ensure_ascii=False)
    match value:
        case Mapping():
            pairs = (f"{scalar(str(key))}: {flow(each)}" for key, each in value.items())
            return f"{{{', '.join(pairs)}}}"
        case str():
            return scalar(value)
        case Sequence():
            return f"[{', '.join(flow(each) for each in value)}]"
    return scalar(value)


def block(value: Any, indent: int) -> list[str]:
    """Return the lines of a mapping in block style, deeper mappings below their keys."""
    lines = []
    for key, each in value.items():
        head = f"{' ' * indent}{scalar(str(key))}:"
        if isinstance(each, Mapping) and each:
            lines += [head, *block(each, indent + STEP)]
        else:
            lines.append(f"{head} {flow(each)}")
    return lines


def spread(value: Any, indent: int, step: int) -> str:
    """Return JSON over several lines, as deep as it stands; short where there is nothing in it."""
    text = json.dumps(bare(value), ensure_ascii=False, indent=step)
    return text.replace("\n", "\n" + " " * indent)


def scalar(value: Any) -> str:
    """Return a scalar so that it reads as itself."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return value if _means_itself(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def _means_itself(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or _AMBIGUOUS.search(text):
        return False
    try:
        return resolve(text) == text and isinstance(resolve(text), str)
    except ValueError:
        return False


def bare(value: Any) -> Any:
    """Return a value without the words somebody wrote it in, which JSON may not have."""
    match value:
        case Raw():
            return meaning(value)
        case Mapping():
            return {str(key): bare(each) for key, each in value.items()}
        case str():
            return value
        case Sequence():
            return [bare(each) for each in value]
    return value


def meaning(value: Any) -> Any:
    """Return what words mean that somebody wrote; every other value is what it is."""
    return resolve(value) if isinstance(value, Raw) else value
