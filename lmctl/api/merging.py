"""Several answers to one request, side by side: `n` choices, or several prompts.

The first is asked alone until its prompt has been read, so that answers to one prompt find it in
the runner's cache; then the others follow, a few at a time, so that one request with a thousand
prompts does not fill the queue that others wait in.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from lmctl.base.talk import Event, Finished, PromptProgress
from lmctl.serving.gateway import Answer
from lmctl.serving.whole_answer import events_of

AT_ONCE = 8
"""How many answers of one request run side by side."""
_AHEAD = 64  # events that may wait for a slow reader before the runners are held back

Open = Callable[[], Awaitable[Answer]]


async def one(answer: Answer, index: int = 0) -> AsyncGenerator[tuple[int, Event], None]:
    """Yield the events of an answer with its index. Raises EngineFailed when its end is missing."""
    async for event in events_of(answer):
        yield index, event


async def merged(first: Answer, others: Sequence[Open]) -> AsyncGenerator[tuple[int, Event], None]:
    """Yield the events of all answers as they come, each with its index; the first trouble of
    any of them is raised and ends them all.
    """
    side_by_side = _SideBySide()
    tasks = [asyncio.ensure_future(side_by_side.follow(0, _opened(first)))]
    tasks += [
        asyncio.ensure_future(side_by_side.follow(number, open_))
        for number, open_ in enumerate(others, start=1)
    ]
    left = len(tasks)
    try:
        while left:
            index, item = await side_by_side.events.get()
            if isinstance(item, Exception):
                raise item
            left -= isinstance(item, Finished)
            yield index, item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _SideBySide:
    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[int, Event | Exception]] = asyncio.Queue(_AHEAD)
        self._read = asyncio.Event()
        self._places = asyncio.Semaphore(AT_ONCE)

    async def follow(self, index: int, open_: Open) -> None:
        try:
            if index:
                await self._read.wait()
            async with self._places:
                async for item in one(await open_(), index):
                    if not isinstance(item[1], PromptProgress):
                        self._read.set()
                    await self.events.put(item)
        except Exception as error:  # noqa: BLE001 - whoever reads the events raises it
            await self.events.put((index, error))


def _opened(answer: Answer) -> Open:
    async def open_() -> Answer:
        return answer

    return open_
