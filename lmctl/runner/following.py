"""Who follows what a model is given and makes of it: told as it happens, written down nowhere.

Nothing is kept while nobody follows; a follower that does not read misses what it has no room for.
"""

import asyncio
from typing import Final

from lmctl.base.talk import (
    Event,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from lmctl.runner import wire
from lmctl.runner.connection import say
from lmctl.runner.job import Job
from lmctl.runner.loop import Output, Task

_ROOM: Final = 256  # answers that wait for one follower
_LONGEST: Final = 2_000_000  # characters of one text: it must fit into a frame


class Followers:
    """Everything in it runs on the event loop."""

    def __init__(self) -> None:
        self._rooms: set[asyncio.Queue[wire.Given | wire.Made]] = set()
        self._texts: dict[Task, list[str]] = {}

    def given(self, job: Task) -> None:
        """Tell that a request begins."""
        if self._rooms and isinstance(job, Job):
            self._texts[job] = []
            self._put(wire.Given(job.id, job.said[:_LONGEST]))

    def made(self, output: Output) -> None:
        """Take what a step made of a request; tell the whole when it is over."""
        if not self._texts:
            return
        texts = self._texts.get(output.job)
        if texts is None:
            return
        texts += [_written(each) for each in output.events]
        if output.ended:
            del self._texts[output.job]
            finished = next((e for e in output.events if isinstance(e, Finished)), None)
            self._put(wire.Made(output.job.id, "".join(texts)[:_LONGEST], finished))

    async def tell(self, writer: asyncio.StreamWriter) -> None:
        """Tell one follower, until that is cancelled."""
        room: asyncio.Queue[wire.Given | wire.Made] = asyncio.Queue(_ROOM)
        self._rooms.add(room)
        try:
            await say(writer, wire.Admitted())  # it misses nothing from here on
            while True:
                await say(writer, await room.get())
        finally:
            self._rooms.discard(room)

    def _put(self, told: wire.Given | wire.Made) -> None:
        for room in self._rooms:
            if not room.full():
                room.put_nowait(told)


def _written(event: Event) -> str:
    match event:
        case TextDelta(text=text) | ReasoningDelta(text=text):
            return text
        case ToolCallStarted(name=name):
            return f"\n{name} "
        case ToolCallDelta(arguments=arguments):
            return arguments
        case _:
            return ""
