"""/v1/responses (contract 1.19): answers that are remembered, and what is remembered of them."""

from functools import partial
from typing import Any, Final

import msgspec
from falcon.asgi import Request, Response

from lmctl.api import images
from lmctl.api.answered import Answered
from lmctl.api.answering import Asking
from lmctl.api.catalogue import NoSuchResponse
from lmctl.api.closing import exchange_of
from lmctl.api.entering import entered, note_prompt
from lmctl.api.errors import JSON_TYPE
from lmctl.api.keeping import Keeping
from lmctl.api.responses_background import Behind, cancel, response_of
from lmctl.api.responses_body import ResponsesBody
from lmctl.api.responses_items import stored_items
from lmctl.api.responses_shape import ResponseShape
from lmctl.api.responses_writer import ResponsesWriter
from lmctl.api.tool_access import toolbox_of
from lmctl.base import talk
from lmctl.base.errors import BadRequest
from lmctl.base.stored import StoredTurn
from lmctl.planning.surface import ServedRoute, Surface
from lmctl.serving.gateway import Gateway
from lmctl.serving.on_demand import Terms
from lmctl.serving.stored import Conversations, Past, UnknownTurn

_MOST_LISTED: Final = 100


class Responses:
    """Makes a response."""

    def __init__(self, gateway: Gateway, conversations: Conversations) -> None:
        self._gateway = gateway
        self._conversations = conversations

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await entered(self._gateway, req, ResponsesBody)
        body.check()
        brought, functions, asks = body.to_messages(), body.functions(), body.servers()
        note_prompt(req, lambda: images.logged(brought))
        surface = exchange_of(req).surface
        keeping = Keeping(
            self._conversations,
            surface.retention,
            past=await self._past(body.previous_response_id),
            messages=brought,
            system=body.instructions or "",
            told=lambda answer: _told(shape, answer, body.input),
        )
        toolbox = await toolbox_of(req, asks, taken=[each.name for each in functions])
        shape = ResponseShape(keeping.id, body.echo(), toolbox)
        tools = toolbox.definitions if toolbox is not None else ()
        chat = body.to_chat(keeping.conversation, functions + tools)
        if toolbox is not None and not functions:
            chat = msgspec.structs.replace(chat, strangers=True)
        make = partial(_call, body, surface, chat, shape)
        if body.background:
            shape.model = body.model or ""
            behind = Behind(
                self._gateway,
                self._conversations,
                shape,
                keeping,
                make,
                body.model,
                Terms(body.ttl),
                toolbox,
            )
            exchange_of(req).asked = None  # it is counted while it is written
            resp.content_type = JSON_TYPE
            resp.data = msgspec.json.encode(await behind.begin(surface))
            return
        asking = Asking(
            self._gateway,
            model=body.model,
            makes=(make,),
            terms=Terms(body.ttl),
            writer=lambda model: ResponsesWriter(shape, model),
            toolbox=toolbox,
            keep=keeping.keep if body.stored else None,
        )
        await asking.answer(req, resp, stream=bool(body.stream))

    async def _past(self, previous: str | None) -> Past:
        """Return what it goes on from; instructions are not inherited."""
        try:
            return await self._conversations.past(previous)
        except UnknownTurn as error:
            raise BadRequest(
                str(error),
                param="previous_response_id",
                code="previous_response_not_found",
                hint=error.hint,
            ) from error


class StoredResponse:
    """One response that is remembered."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def on_get(self, _req: Request, resp: Response, response_id: str) -> None:
        resp.content_type = JSON_TYPE
        resp.data = await response_of(self._conversations, response_id)

    async def on_delete(self, _req: Request, resp: Response, response_id: str) -> None:
        called_off = await self._conversations.background.forget(response_id)
        try:
            await self._conversations.forget(response_id)
        except UnknownTurn as error:
            if not called_off:
                raise NoSuchResponse(str(error), hint=error.hint) from error
        deleted = {"id": response_id, "object": "response", "deleted": True}
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode(deleted)


class InputItems:
    """What a response was asked with, the last item first unless `order` is `asc`."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def on_get(self, req: Request, resp: Response, response_id: str) -> None:
        turn = await _stored(self._conversations, response_id)
        items: list[dict[str, Any]] = msgspec.json.decode(turn.items)
        limit = req.get_param_as_int("limit", min_value=1, max_value=_MOST_LISTED, default=20)
        order = req.get_param("order", default="desc")
        if order not in ("asc", "desc"):
            raise BadRequest('`order` should be "asc" or "desc"', param="order")
        page = _after(items if order == "asc" else items[::-1], req.get_param("after"))
        shown = page[:limit]
        listed = {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": len(shown) < len(page),
        }
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode(listed)


class CancelResponse:
    """Calls off a response that is written in the background, whichever worker does."""

    def __init__(self, gateway: Gateway, conversations: Conversations) -> None:
        self._gateway = gateway
        self._conversations = conversations

    async def on_post(self, _req: Request, resp: Response, response_id: str) -> None:
        keep = self._gateway.snapshot().surface.retention.keep
        resp.content_type = JSON_TYPE
        resp.data = await cancel(self._conversations, response_id, keep=keep)


async def _stored(conversations: Conversations, response_id: str) -> StoredTurn:
    """Return a response of this dialect. Raises NoSuchResponse."""
    try:
        turn = await conversations.get(response_id)
    except UnknownTurn as error:
        raise NoSuchResponse(str(error), hint=error.hint) from error
    if not turn.response:
        raise NoSuchResponse(f"`{response_id}` is a turn of the native chat, not a response")
    return turn


def _call(
    body: ResponsesBody,
    surface: Surface,
    chat: talk.Chat,
    shape: ResponseShape,
    route: ServedRoute,
) -> talk.Call:
    settings = body.settings(surface, route)
    shape.held(settings.sampling, settings.overflow)
    return settings.call(shape.id, chat)


def _told(shape: ResponseShape, answer: Answered, asked: Any) -> tuple[bytes, bytes]:
    """Return the response and the items it was asked with as they are remembered."""
    items = stored_items(asked, shape.id)
    return msgspec.json.encode(shape.complete(answer)), msgspec.json.encode(items)


def _after(items: list[dict[str, Any]], item_id: str | None) -> list[dict[str, Any]]:
    """Return the items behind the one of that id. Raises BadRequest when there is none."""
    if item_id is None:
        return items
    for number, item in enumerate(items):
        if item["id"] == item_id:
            return items[number + 1 :]
    raise BadRequest(f"`after`: there is no item `{item_id}`", param="after")
