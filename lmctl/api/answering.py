"""How a request of any dialect becomes an answer: open, then stream it or collect it.

A dialect brings what is its own: the calls its body makes, and a `Writer` that turns events into
bytes. Everything else is here, once: which status trouble gets and when it becomes an event,
several answers at once, what the metrics and the log are told.
"""

import asyncio
import secrets
import string
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol, runtime_checkable

import structlog
from falcon.asgi import Request, Response

from lmctl.api import sse
from lmctl.api.answered import Answered, AnswerEvent
from lmctl.api.catalogue import Overdue
from lmctl.api.closing import Exchange, exchange_of
from lmctl.api.errors import JSON_TYPE, internal
from lmctl.api.in_time import in_time
from lmctl.api.merging import merged, one
from lmctl.api.tallying import Tally
from lmctl.base.errors import LmctlError
from lmctl.serving.gateway import Answer, Gateway, MakeCall
from lmctl.serving.on_demand import AS_DECLARED, Loading, Terms
from lmctl.serving.tool_rounds import ToolRounds
from lmctl.serving.toolbox import Toolbox

_BASE36 = string.digits + string.ascii_lowercase

_log = structlog.get_logger("lmctl.api")


class Writer(Protocol):
    """One endpoint's shapes for one request. Bytes are whole events of the stream, maybe none."""

    def begin(self) -> bytes:
        """Return what comes before anything a model says."""

    def event(self, index: int, event: AnswerEvent) -> bytes:
        """Return what an event of the answer number `index` is."""

    def end(self) -> bytes:
        """Return what comes after the last event of the last answer."""

    def broken(self, error: LmctlError) -> bytes:
        """Return how a stream ends that broke off."""

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        """Return the body of a request that is not streamed."""


Dress = Callable[[Writer, str], Writer]
Keep = Callable[[str, tuple[Answered, ...]], Awaitable[None]]


@runtime_checkable
class TellsLoads(Writer, Protocol):
    """A writer that has events for a model that is being loaded; they come before `begin`."""

    def loading(self, load: Loading) -> bytes:
        """Return what a step of a load is."""


def plain(writer: Writer, _model: str) -> Writer:
    """Return the writer as it is, for the model of that id."""
    return writer


def new_id(prefix: str) -> str:
    """Return a prefix and 21 base-36 characters (contract 1.1)."""
    return prefix + "".join(secrets.choice(_BASE36) for _ in range(21))


class Collecting:
    """One request on its way: which model, and which calls. A model that has to be loaded first is
    loaded on these `terms`. Calls of the tools in a `toolbox` are made, and their answers told to
    the model.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        model: str | None,
        makes: Sequence[MakeCall],
        terms: Terms = AS_DECLARED,
        toolbox: Toolbox | None = None,
    ) -> None:
        self._gateway = gateway
        self._model = model
        self._makes = makes
        self._terms = terms
        self._toolbox = toolbox

    async def collect(self, exchange: Exchange) -> tuple[str, tuple[Answered, ...]]:
        """Return the id of the answering instance and every answer, once all are complete.

        Raises what Gateway.open does, and Overdue.
        """
        with in_time(exchange):
            first = await self._open(exchange)
            tally = Tally(exchange, len(self._makes), keeps=True)
            async with aclosing(self._events(exchange, first)) as events:
                async for index, event in events:
                    tally.add(index, event)
            return first.model, tally.answers()

    async def _open(
        self, exchange: Exchange, told: Callable[[Loading], object] | None = None
    ) -> Answer:
        if exchange.asked is not None:
            exchange.asked.aimed_at(self._gateway.leads_to(self._model))
        answer = await self._gateway.open(
            self._model, self._makes[0], over=exchange.stack, terms=self._terms, told=told
        )
        exchange.notes |= {"model": answer.model, "instance": answer.route.instance}
        if exchange.asked is not None:
            exchange.asked.opened(answer.route.instance)
        return answer

    def _events(
        self, exchange: Exchange, first: Answer
    ) -> AsyncGenerator[tuple[int, AnswerEvent], None]:
        if self._toolbox is not None:
            rounds = ToolRounds(
                self._gateway,
                self._toolbox,
                model=self._model,
                make=self._makes[0],
                over=exchange.stack,
            )
            return rounds.events(first)
        if len(self._makes) == 1:
            return one(first)
        others = [
            partial(self._gateway.open, self._model, make, over=exchange.stack)
            for make in self._makes[1:]
        ]
        return merged(first, others)


class Asking(Collecting):
    """One request, and how its answers are written.

    `writer` makes the writer once the id of the answering instance is known. `keep` remembers the
    answers once all are complete, before the last word of a stream is written.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        model: str | None,
        makes: Sequence[MakeCall],
        writer: Callable[[str], Writer],
        keep: Keep | None = None,
        terms: Terms = AS_DECLARED,
        toolbox: Toolbox | None = None,
    ) -> None:
        super().__init__(gateway, model=model, makes=makes, terms=terms, toolbox=toolbox)
        self._writer = writer
        self._keep = keep

    async def answer(self, req: Request, resp: Response, *, stream: bool) -> None:
        """Answer whole or as a stream."""
        if stream:
            await self.stream(req, resp)
        else:
            await self.whole(req, resp)

    async def whole(self, req: Request, resp: Response) -> None:
        """Answer with one JSON body when every answer is complete."""
        model, answers = await self.collect(exchange_of(req))
        writer = self._writer(model)
        if self._keep is not None:
            await self._keep(model, answers)
        resp.content_type = JSON_TYPE
        resp.data = writer.whole(answers)

    async def stream(self, req: Request, resp: Response) -> None:
        """Answer with an event stream.

        Until the runner has begun, trouble is still a status; from then on it is an event. Where
        a model is long in coming, the 200 goes out `silence` seconds after the queue deadline (where
        it has to be loaded first: after `silence` alone, or at once by a writer that tells of loads)
        and pings follow: proxies give up after a minute without a byte.
        """
        exchange = exchange_of(req)
        loading = self._gateway.loading(self._model)
        writer = self._writer(loading) if loading is not None else None
        if isinstance(writer, TellsLoads):
            await sse.begin(req, resp, self._with_load(writer, exchange))
            return
        opening = self._opening(exchange)
        patience = exchange.silence
        if loading is None:
            patience += exchange.surface.limits.queue_deadline
        with in_time(exchange):
            await asyncio.wait({opening}, timeout=patience)
        if opening.done():
            opening.result()
        await sse.begin(req, resp, self._frames(opening, exchange))

    async def _with_load(
        self, writer: TellsLoads, exchange: Exchange
    ) -> AsyncGenerator[bytes, None]:
        """Yield how far the load is, then the answer; the 200 is out already."""
        news: asyncio.Queue[Loading | None] = asyncio.Queue()
        opening = self._opening(exchange, told=news.put_nowait)
        opening.add_done_callback(lambda _: news.put_nowait(None))
        try:
            with in_time(exchange):
                while (loading := await news.get()) is not None:
                    yield writer.loading(loading)
        except Overdue as error:
            yield self._broken(writer, exchange, error)
            return
        async with aclosing(self._frames(opening, exchange, writer)) as frames:
            async for frame in frames:
                yield frame

    def _opening(
        self, exchange: Exchange, told: Callable[[Loading], object] | None = None
    ) -> asyncio.Future[Answer]:
        """Return the opening under way; it ends with the request at the latest."""
        opening = asyncio.ensure_future(self._open(exchange, told))
        exchange.stack.push_async_callback(_settle, opening)
        return opening

    async def _frames(
        self,
        opening: asyncio.Future[Answer],
        exchange: Exchange,
        writer: Writer | None = None,
    ) -> AsyncGenerator[bytes, None]:
        try:
            with in_time(exchange):
                first = await opening
                writer = writer or self._writer(first.model)
                if begin := writer.begin():
                    yield begin
                tally = Tally(exchange, len(self._makes), keeps=self._keep is not None)
                async with aclosing(self._events(exchange, first)) as events:
                    async for index, event in events:
                        tally.add(index, event)
                        if frame := writer.event(index, event):
                            yield frame
                if self._keep is not None:
                    await self._keep(first.model, tally.answers())
                if end := writer.end():
                    yield end
        except LmctlError as error:
            yield self._broken(writer, exchange, error)
        except Exception:  # noqa: BLE001 - the status is out; the client must be told somehow
            _log.exception("internal error in a stream", request_id=exchange.request_id)
            yield self._broken(writer, exchange, internal(exchange.request_id))

    def _broken(self, writer: Writer | None, exchange: Exchange, error: LmctlError) -> bytes:
        """Return an error as the end of a stream, and keep it for the log line."""
        exchange.notes["error"] = str(error)
        if exchange.asked is not None:
            exchange.asked.broke()
        # Nobody answered: the name that was asked for is all there is to call it by.
        return (writer or self._writer(self._model or "")).broken(error)


async def _settle(opening: asyncio.Future[Answer]) -> None:
    """End an opening nobody waits for any more, and look at how it ended."""
    opening.cancel()
    await asyncio.wait({opening})
    if not opening.cancelled():
        opening.exception()
