"""Auto-fit: less than what was asked for, where that is more than memory allows.

The context gives way first, in whole blocks of the cache, down to the least that is demanded; then
requests at once, by halves.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from lmctl.base.spec import LoadSettings

LEAST: Final = 1024
"""Tokens of context below which nothing is of use, where no minimum is given."""
_BLOCK: Final = 256  # cells are given out in blocks of this many


def least_context(load: LoadSettings) -> int:
    """Return the shortest context that will do."""
    return min(load.context_length, load.fit_least or LEAST)


def shrunk(load: LoadSettings, fits: Callable[[LoadSettings], bool]) -> LoadSettings | None:
    """Return the settings with the longest context that fits, and as many requests at once as can
    have it; None where the least does not fit.
    """
    parallel = load.parallel
    while parallel:
        found = _longest(msgspec.structs.replace(load, parallel=parallel), fits)
        if found is not None:
            return found
        parallel //= 2
    return None


def _longest(load: LoadSettings, fits: Callable[[LoadSettings], bool]) -> LoadSettings | None:
    least = least_context(load)

    def of(blocks: int) -> LoadSettings:
        context = min(load.context_length, max(least, blocks * _BLOCK))
        return msgspec.structs.replace(load, context_length=context)

    low, high = least // _BLOCK, -(-load.context_length // _BLOCK)
    if not fits(of(low)):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(of(middle)) else (low, middle - 1)
    return of(low)
