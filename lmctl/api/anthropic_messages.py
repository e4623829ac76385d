"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's dialect (contract 1.20)."""

import msgspec
from falcon.asgi import Request, Response

from lmctl.api import images
from lmctl.api.answering import Asking, new_id
from lmctl.api.anthropic_body import CountBody, MessagesBody
from lmctl.api.anthropic_writer import MessagesWriter
from lmctl.api.closing import exchange_of
from lmctl.api.entering import entered, note_prompt
from lmctl.api.errors import JSON_TYPE
from lmctl.api.in_time import in_time
from lmctl.api.reading import parse, read_body
from lmctl.base import talk
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Gateway


class Messages:
    """Answers with a message, whole or streamed."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await entered(self._gateway, req, MessagesBody)
        chat = body.to_chat()
        note_prompt(req, lambda: images.logged(chat.messages))
        answer_id, surface = new_id("msg_"), exchange_of(req).surface

        def make(route: ServedRoute) -> talk.Call:
            return body.settings(surface, route).call(answer_id, chat)

        asking = Asking(
            self._gateway,
            model=body.model,
            makes=(make,),
            writer=lambda model: MessagesWriter(answer_id, model),
        )
        await asking.answer(req, resp, stream=bool(body.stream))


class CountTokens:
    """Counts what a message would cost to read, template included; nothing is generated."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_post(self, req: Request, resp: Response) -> None:
        exchange = exchange_of(req)
        body = parse(CountBody, await read_body(req, exchange.surface.limits))
        chat = body.to_chat()

        def make(route: ServedRoute) -> talk.Chat:
            return body.settings(exchange.surface, route).chat(chat)

        with in_time(exchange):
            tokens = await self._gateway.count(body.model, make)
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode({"input_tokens": tokens})
