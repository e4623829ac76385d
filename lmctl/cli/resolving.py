"""Resolving sources side by side, telling how far it is."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lmctl.adapters.weights.progress import OnProgress, Progress
from lmctl.adapters.weights.store import WeightsStore
from lmctl.base.errors import LmctlError
from lmctl.base.quantities import format_size
from lmctl.cli.printer import Printer
from lmctl.manifests.lock import LockedSource
from lmctl.planning.locking import Wish
from lmctl.planning.sources import locked_source

_AT_ONCE = 4
_QUIET = 5.0  # seconds between two lines about one download


@dataclass(frozen=True, slots=True)
class Resolved:
    """What sources came to, and why others did not."""

    locked: dict[Wish, LockedSource] = field(default_factory=dict)
    failed: dict[Wish, str] = field(default_factory=dict)


async def resolve(todo: Sequence[Wish], store: WeightsStore, printer: Printer) -> Resolved:
    """Resolve every source; those that fail do not keep the others from it."""
    gate = asyncio.Semaphore(_AT_ONCE)
    found = Resolved()

    async def one(wish: Wish) -> None:
        async with gate:
            printer.note(f"{wish.model}: resolving {wish.words}")
            try:
                pinned = await store.pin(wish.weights, wish.source, _teller(wish.model, printer))
            except LmctlError as error:
                hint = f"; {error.hint}" if error.hint else ""
                found.failed[wish] = f"{error}{hint}"
            else:
                found.locked[wish] = locked_source(wish.declared, pinned)

    await asyncio.gather(*(one(each) for each in todo))
    return found


def _teller(model: str, printer: Printer) -> OnProgress:
    spoke = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal spoke
        if time.monotonic() - spoke < _QUIET:
            return
        spoke = time.monotonic()
        of = f" of {format_size(progress.total)}" if progress.total is not None else ""
        rate = f", {format_size(progress.rate)}/s"
        printer.note(f"{model}: fetching {format_size(progress.done)}{of}{rate}")

    return tell
