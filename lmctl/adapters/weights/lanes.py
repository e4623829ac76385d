"""Several connections at work on one file, each on a piece of its own."""

import asyncio
from collections import deque
from typing import Final

from lmctl.adapters.weights.http_get import TryAgain
from lmctl.adapters.weights.partial_file import Span
from lmctl.adapters.weights.threads import settled
from lmctl.adapters.weights.transfer import Stretch, Transfer

# A hub counts requests: a very large file is cut into about so many pieces, so much larger ones.
_PIECES: Final = 64
_LARGEST: Final = 8


async def side_by_side(transfer: Transfer, size: int) -> None:
    """Get what is missing of a file of `size` bytes.

    Raises as `Transfer.stretch` does; what came stays. NoRanges means one connection must do it.
    """
    work = _Work(transfer, size)
    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(work.lanes):
                lanes.create_task(work.lane())
    except ExceptionGroup as failed:
        raise _first(failed) from failed


class _Work:
    """The pieces nobody has taken yet; `lanes` is how many connections are at work."""

    def __init__(self, transfer: Transfer, size: int) -> None:
        lanes = transfer.means.lanes
        self._transfer = transfer
        piece = max(lanes.piece, min(size // _PIECES, _LARGEST * lanes.piece))
        self._open = deque(_cut(transfer.part.missing(size), piece))
        self.lanes = min(lanes.count, len(self._open))

    async def lane(self) -> None:
        """Take piece after piece, the first ones first, so that hashing can follow."""
        while self._open:
            start, end = self._open.popleft()
            stretch = Stretch(start, end)
            try:
                await self._transfer.stretch(stretch, may_leave=lambda: self.lanes > 1)
            except TryAgain:  # the server is busy: it gets a lane fewer, others do the work
                self._open.appendleft((stretch.at, end))
                break
            await settled(self._transfer.part.catch_up)
        self.lanes -= 1


def _cut(spans: list[Span], piece: int) -> list[Span]:
    """Return spans as pieces that begin at multiples of `piece`, so that resumed ones do too."""
    return [
        (max(start, edge), min(end, edge + piece))
        for start, end in spans
        for edge in range(start - start % piece, end, piece)
    ]


def _first(group: ExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
