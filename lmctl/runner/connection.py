"""One asker's connection: how it is written to, and that its work ends when it goes."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from lmctl.runner import wire


async def say(writer: asyncio.StreamWriter, answer: wire.Answer) -> None:
    """Write one answer, waiting for a slow reader."""
    writer.write(wire.frame(answer))
    await writer.drain()


async def until_gone(work: Coroutine[Any, Any, None], reader: asyncio.StreamReader) -> None:
    """Do the work, and stop doing it when the other side closes (or breaks the rules by talking)."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.wait({working, gone})
