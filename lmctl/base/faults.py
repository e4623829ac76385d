"""Named points where a crash would hurt most, so that tests can crash there.

`point` does nothing unless the process armed it (`daemon/faults`). A point lies between two effects
that a crash could separate: behind the first, before the second.
"""

from collections.abc import Callable
from typing import Final

POINTS: Final = {
    "file.written": "a small file is complete under another name, the old one still in place",
    "file.renamed": "a small file is in place, its folder not yet on the disk",
    "generation.kept": "the files of a new generation are kept, it has no number yet",
    "generation.recorded": "a new generation has its number, nothing was done about it",
    "journal.begun": "an action is written down, it has not begun",
    "journal.acted": "an action has ended, that is not written down",
    "journal.ended": "the end of an action is written down, no plan was made since",
    "blob.moved": "a file of weights has its place, no record names it",
    "runner.specified": "a runner's folder and spec are there, its process is not",
    "runner.started": "a runner's process is there, nobody wrote down which",
    "runner.noted": "a runner's process is known, it has not said anything",
    "runner.loaded": "a runner is loaded and not proven",
    "runner.proven": "a runner is proven and not open to clients",
    "runner.opened": "a runner is open, its route leads elsewhere",
    "runner.drained": "a runner was told to drain, it is not gone",
    "runner.gone": "a runner's process is gone, its folder is there",
    "gateway.started": "a gateway's process is there, it has not noted itself",
}

_armed: Callable[[str], None] | None = None


def point(name: str) -> None:
    """Be at a point: what is armed happens, by default nothing."""
    if _armed is not None:
        _armed(name)


def arm(handler: Callable[[str], None] | None) -> None:
    """Have this called, with its name, at every point; None disarms."""
    global _armed  # noqa: PLW0603 # one process, armed once before it does anything
    _armed = handler
