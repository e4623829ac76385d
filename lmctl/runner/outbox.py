"""What waits to be written to one asker: bounded by the answer itself, however slow they read."""

import asyncio

from lmctl.base.talk import TextDelta
from lmctl.runner import wire


class Outbox:
    """Frames for one connection.

    While the asker does not read, text piles up as one delta instead of one frame per token, so
    the most that can wait is the text of the answer.
    """

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._text: list[str] = []
        self._filled = asyncio.Event()
        self._last = False

    def put(self, *answers: wire.Answer, last: bool = False) -> None:
        """Add answers; after `last` nothing more is taken."""
        if self._last:
            return
        for answer in answers:
            if isinstance(answer, TextDelta):
                self._text.append(answer.text)
            else:
                self._close_text()
                self._frames.append(wire.frame(answer))
        self._last = last
        self._filled.set()

    async def write_all(self, writer: asyncio.StreamWriter) -> None:
        """Write what comes, until the last answer is written. Raises OSError when they left."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            last = self._last
            self._close_text()
            frames, self._frames = self._frames, []
            writer.write(b"".join(frames))
            await writer.drain()
            if last:
                return

    def _close_text(self) -> None:
        if self._text:
            self._frames.append(wire.frame(TextDelta("".join(self._text))))
            self._text = []
