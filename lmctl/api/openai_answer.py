"""How a request of the OpenAI family becomes an answer: open, then stream it or collect it."""

import asyncio
import secrets
import string
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol

import structlog
from falcon.asgi import Request, Response

from lmctl.api import sse
from lmctl.api.closing import Exchange, exchange_of
from lmctl.api.errors import JSON_TYPE, internal, openai_body
from lmctl.base.errors import EngineFailed, LmctlError
from lmctl.base.talk import Event, Finished, TextDelta, Usage
from lmctl.serving.gateway import Answer, Gateway, MakeCall

_BASE36 = string.digits + string.ascii_lowercase

_log = structlog.get_logger("lmctl.api")


class Writer(Protocol):
    """One endpoint's shapes for one answer; the two text endpoints have one each."""

    def text(self, piece: str) -> bytes:
        """Return the event for more text."""

    def last(self, finished: Finished) -> bytes:
        """Return the event that carries the finish reason."""

    def usage(self, usage: Usage) -> bytes:
        """Return the event that carries the usage alone."""

    def whole(self, text: str, finished: Finished) -> bytes:
        """Return the body of an answer that is not streamed."""


def new_id(prefix: str) -> str:
    """Return a prefix and 21 base-36 characters (contract 1.1)."""
    return prefix + "".join(secrets.choice(_BASE36) for _ in range(21))


def usage_shape(usage: Usage) -> dict[str, Any]:
    """Return token counts in OpenAI's shape."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


class Asking:
    """One request on its way: which model, which call, and how its answer is written."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        model: str | None,
        make: MakeCall,
        writer: Callable[[str], Writer],
    ) -> None:
        self._gateway = gateway
        self._model = model
        self._make = make
        self._writer = writer

    async def whole(self, req: Request, resp: Response) -> None:
        """Answer with one JSON body when the text is complete."""
        exchange = exchange_of(req)
        answer = await self._open(exchange)
        pieces: list[str] = []
        async with aclosing(_all(answer)) as events:
            async for event in events:
                match event:
                    case TextDelta(text=text):
                        _note_text(exchange)
                        pieces.append(text)
                    case Finished():
                        _note_usage(exchange, event)
                        resp.content_type = JSON_TYPE
                        resp.data = self._writer(answer.model).whole("".join(pieces), event)
                        return
        raise _cut_short(answer)

    async def stream(self, req: Request, resp: Response, *, usage: bool, silence: float) -> None:
        """Answer with an event stream.

        Until the runner has begun, trouble is still a status; from then on it is an event. Where
        a long prompt keeps the runner from beginning, the 200 goes out `silence` seconds after
        the queue deadline and pings follow: proxies give up after a minute without a byte.
        """
        exchange = exchange_of(req)
        opening = asyncio.ensure_future(self._open(exchange))
        exchange.stack.push_async_callback(_settle, opening)
        limits = self._gateway.snapshot().surface.limits
        await asyncio.wait({opening}, timeout=limits.queue_deadline + silence)
        if opening.done():
            opening.result()
        await sse.begin(req, resp, self._frames(opening, exchange, usage=usage))

    async def _open(self, exchange: Exchange) -> Answer:
        if exchange.asked is not None:
            exchange.asked.aimed_at(self._gateway.leads_to(self._model))
        answer = await self._gateway.open(self._model, self._make, over=exchange.stack)
        exchange.notes |= {"model": answer.model, "instance": answer.route.instance}
        if exchange.asked is not None:
            exchange.asked.opened(answer.route.instance)
        return answer

    async def _frames(
        self, opening: asyncio.Future[Answer], exchange: Exchange, *, usage: bool
    ) -> AsyncGenerator[bytes, None]:
        try:
            answer = await opening
            writer = self._writer(answer.model)
            async with aclosing(_all(answer)) as events:
                async for event in events:
                    match event:
                        case TextDelta(text=text):
                            _note_text(exchange)
                            yield writer.text(text)
                        case Finished():
                            _note_usage(exchange, event)
                            counts = writer.usage(event.usage) if usage else b""
                            yield writer.last(event) + counts + sse.DONE
                            return
            yield _told(exchange, _cut_short(answer))
        except LmctlError as error:
            yield _told(exchange, error)
        except Exception:  # noqa: BLE001 - the status is out; the client must be told somehow
            _log.exception("internal error in a stream", request_id=exchange.request_id)
            yield _told(exchange, internal(exchange.request_id))


async def _all(answer: Answer) -> AsyncGenerator[Event, None]:
    yield answer.first
    async for event in answer.events:
        yield event


def _told(exchange: Exchange, error: LmctlError) -> bytes:
    """Return an error as the last event of a stream, and keep it for the log line."""
    exchange.notes["error"] = str(error)
    if exchange.asked is not None:
        exchange.asked.broke()
    return sse.event(openai_body(error))


def _note_text(exchange: Exchange) -> None:
    if exchange.asked is not None:
        exchange.asked.spoke()


def _note_usage(exchange: Exchange, finished: Finished) -> None:
    if exchange.asked is not None:
        exchange.asked.finished(finished)
    exchange.notes |= {
        "prompt_tokens": finished.usage.prompt_tokens,
        "tokens": finished.usage.completion_tokens,
        "finish": finished.reason,
    }


def _cut_short(answer: Answer) -> EngineFailed:
    return EngineFailed(
        f"the runner of {answer.route.instance} stopped in the middle of its answer"
    )


async def _settle(opening: asyncio.Future[Answer]) -> None:
    """End an opening nobody waits for any more, and look at how it ended."""
    opening.cancel()
    await asyncio.wait({opening})
    if not opening.cancelled():
        opening.exception()
