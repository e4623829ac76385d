"""What waits to be written to one asker: bounded by the answer itself, however slow they read."""

import asyncio
from collections.abc import Sequence

from lmctl.base.talk import ReasoningDelta, TextDelta, ToolCallDelta
from lmctl.runner import wire

Delta = TextDelta | ReasoningDelta | ToolCallDelta


class Outbox:
    """Frames for one connection.

    What is put is sent at once, which costs no task a turn. While the asker does not read, deltas of
    one kind pile up as one instead of one frame per token, so the most that can wait is the text of
    the answer.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._frames: list[bytes] = []
        self._pile: list[Delta] = []
        self._filled = asyncio.Event()
        self._last = False

    def put(self, *answers: wire.Answer, last: bool = False) -> None:
        """Add answers; after `last` nothing more is taken."""
        if self._last:
            return
        for answer in answers:
            if isinstance(answer, Delta):
                if self._pile and not _alike(self._pile[0], answer):
                    self._close_pile()
                self._pile.append(answer)
            else:
                self._close_pile()
                self._frames.append(wire.frame(answer))
        self._last = last
        if last or self._writer.transport.get_write_buffer_size():
            self._filled.set()  # the writing task goes on when they have read
        else:
            self._write()

    async def write_all(self) -> None:
        """Return once the last answer is written. Raises OSError when they left."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            last = self._last
            self._write()
            await self._writer.drain()
            if last:
                return

    def _write(self) -> None:
        self._close_pile()
        frames, self._frames = self._frames, []
        self._writer.write(b"".join(frames))

    def _close_pile(self) -> None:
        if self._pile:
            self._frames.append(wire.frame(_joined(self._pile)))
            self._pile = []


def _alike(one: Delta, other: Delta) -> bool:
    if isinstance(one, ToolCallDelta):
        return isinstance(other, ToolCallDelta) and one.index == other.index
    return type(one) is type(other)


def _joined(deltas: Sequence[Delta]) -> Delta:
    """Return deltas of one kind as one."""
    first = deltas[0]
    match first:
        case TextDelta():
            texts = [each for each in deltas if isinstance(each, TextDelta)]
            tokens = tuple(token for each in texts for token in each.tokens)
            return TextDelta("".join(each.text for each in texts), tokens)
        case ReasoningDelta():
            return ReasoningDelta(
                "".join(each.text for each in deltas if isinstance(each, ReasoningDelta))
            )
        case ToolCallDelta(index=index):
            pieces = [each.arguments for each in deltas if isinstance(each, ToolCallDelta)]
            return ToolCallDelta(index, "".join(pieces))
