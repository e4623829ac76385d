"""The events of an answer that has begun, up to its end."""

from collections.abc import AsyncGenerator

from lmctl.base.errors import EngineFailed
from lmctl.base.talk import Event, Finished
from lmctl.serving.gateway import Answer


async def events_of(answer: Answer) -> AsyncGenerator[Event, None]:
    """Yield every event. Raises EngineFailed when the end is missing."""
    event = answer.first
    yield event
    async for event in answer.events:
        yield event
    if not isinstance(event, Finished):
        raise EngineFailed(
            f"the runner of {answer.route.instance} stopped in the middle of its answer"
        )
