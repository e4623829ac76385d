"""Which environments nothing needs any more, since when, and their removal.

As with weights, none is removed for being unused, only for having been unused for a while. When that
began is noted in the environment itself.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.runtimes.folders import Environments

_NOTE: Final = "unused-since"


@dataclass(frozen=True, slots=True)
class UnusedBuild:
    """An environment nothing needs: `name` is its folder's, `what` says it in a person's words;
    `size` in bytes, `since` in seconds since the epoch.
    """

    name: str
    what: str
    size: int
    since: float
    kind: Literal["environment"] = "environment"


def mark(
    environments: Environments, needed: Set[str], clock: Callable[[], float]
) -> tuple[UnusedBuild, ...]:
    """Return the environments that are not among those needed, by folder name, and note since when."""
    found = []
    for path, installed in environments.all():
        note = path / _NOTE
        if path.name in needed:
            note.unlink(missing_ok=True)
            continue
        found.append(
            UnusedBuild(path.name, f"runtime of {installed}", installed.size, _since(note, clock))
        )
    return tuple(found)


def _since(note: Path, clock: Callable[[], float]) -> float:
    content = read_if_there(note)
    if content is not None:
        return float(content)
    now = clock()
    write_atomically(note, repr(now).encode())
    return now
