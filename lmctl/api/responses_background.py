"""Responses that are written in the background: begun, looked at until they are done, called off."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from lmctl.api.answered import AnswerEvent, Collector
from lmctl.api.asked import Asked
from lmctl.api.catalogue import NoSuchResponse
from lmctl.api.keeping import Keeping
from lmctl.api.merging import one
from lmctl.api.responses_shape import ResponseShape
from lmctl.base.errors import BadRequest, EngineFailed, LmctlError
from lmctl.base.stored import StoredTurn
from lmctl.base.talk import TextDelta
from lmctl.base.usage import usage_of
from lmctl.planning.surface import Surface
from lmctl.serving.gateway import Answer, Gateway, MakeCall
from lmctl.serving.on_demand import AS_DECLARED, Terms
from lmctl.serving.stored import Conversations, UnknownTurn
from lmctl.serving.tool_rounds import ToolRounds
from lmctl.serving.toolbox import Toolbox

_GONE = EngineFailed("the gateway that was writing it has ended", hint="ask again")


@dataclass(frozen=True, slots=True)
class Behind:
    """A response to be written in the background; what it has to load is loaded on these `terms`."""

    gateway: Gateway
    conversations: Conversations
    shape: ResponseShape
    keeping: Keeping
    make: MakeCall
    model: str | None
    terms: Terms = AS_DECLARED
    toolbox: Toolbox | None = None

    async def begin(self, surface: Surface) -> dict[str, Any]:
        """Begin it and return what is told until it is done. Raises Busy."""
        running = self.shape.running()
        await self.conversations.background.start(
            self.shape.id,
            self._write,
            running=msgspec.json.encode(running),
            failed=lambda error: msgspec.json.encode(self.shape.failed((), error)),
            most=surface.limits.queue,
            keep=surface.retention.keep,
        )
        return running

    async def _write(self) -> None:
        asked = Asked(self.gateway.metrics)
        status = 500
        try:
            asked.aimed_at(self.gateway.leads_to(self.model))
            await self._answered(asked)
            status = 200
        finally:
            asked.over(status)

    async def _answered(self, asked: Asked) -> None:
        async with AsyncExitStack() as over:
            first = await self.gateway.open(self.model, self.make, over=over, terms=self.terms)
            asked.opened(first.route.instance)
            self.shape.model = first.model
            collector = Collector()
            async with aclosing(self._events(first, over)) as events:
                async for _, event in events:
                    if isinstance(event, TextDelta):
                        asked.spoke()
                    if (answer := collector.add(event)) is not None:
                        asked.used(usage_of({0: answer.finished}))
                        await self.keeping.keep(first.model, (answer,))
        if not self.keeping.kept:
            raise LmctlError("the answer could not be stored")

    def _events(
        self, first: Answer, over: AsyncExitStack
    ) -> AsyncGenerator[tuple[int, AnswerEvent], None]:
        if self.toolbox is None:
            return one(first)
        rounds = ToolRounds(self.gateway, self.toolbox, model=self.model, make=self.make, over=over)
        return rounds.events(first)


async def response_of(conversations: Conversations, response_id: str) -> bytes:
    """Return a response, done or not. Raises NoSuchResponse."""
    try:
        turn = await conversations.get(response_id)
    except UnknownTurn:
        noted = await conversations.background.read(response_id)
        if noted is not None:
            content, alive = noted
            return content if alive else _told(content, _lost)
        turn = await _kept_meanwhile(conversations, response_id)
    if not turn.response:
        raise NoSuchResponse(f"`{response_id}` is a turn of the native chat, not a response")
    return turn.response


async def _kept_meanwhile(conversations: Conversations, response_id: str) -> StoredTurn:
    """Return the turn of a response that has no note: it is kept before its note is removed, so one
    that was done between two looks is there now. Raises NoSuchResponse.
    """
    try:
        return await conversations.get(response_id)
    except UnknownTurn as error:
        raise NoSuchResponse(str(error), hint=error.hint) from error


async def cancel(conversations: Conversations, response_id: str, *, keep: float) -> bytes:
    """Call a response off and return it. Raises NoSuchResponse, and BadRequest when it is over."""
    now = msgspec.json.decode(await response_of(conversations, response_id))
    if now["status"] == "cancelled":
        return msgspec.json.encode(now)
    if now["status"] != "in_progress":
        raise BadRequest(f"`{response_id}` is over, it cannot be cancelled")
    cancelled = msgspec.json.encode(now | {"status": "cancelled"})
    await conversations.background.call_off(response_id, cancelled, keep=keep)
    return cancelled


def _told(content: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    return msgspec.json.encode(change(msgspec.json.decode(content)))


def _lost(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response whose worker is gone, if it was still under way."""
    if response["status"] != "in_progress":
        return response
    return response | {
        "status": "failed",
        "error": {"code": "server_error", "message": str(_GONE)},
    }
