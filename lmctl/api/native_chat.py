"""POST /api/v1/chat (contract 1.5, 1.6): a turn of a conversation that the server remembers."""

import msgspec
from falcon.asgi import Request, Response

from lmctl.api import images
from lmctl.api.answering import Asking, new_id
from lmctl.api.catalogue import NotListed
from lmctl.api.closing import exchange_of
from lmctl.api.entering import entered, note_prompt
from lmctl.api.keeping import Keeping
from lmctl.api.native_chat_body import NativeChatBody
from lmctl.api.native_chat_writer import NativeChatWriter
from lmctl.api.native_reading import parse_native
from lmctl.api.tool_access import toolbox_of
from lmctl.api.tool_asks import of_integrations
from lmctl.base import talk
from lmctl.planning.surface import ServedRoute, Surface
from lmctl.serving.gateway import Gateway
from lmctl.serving.on_demand import Terms
from lmctl.serving.routes import is_known, public_names
from lmctl.serving.stored import Conversations


class NativeChat:
    """The endpoint."""

    def __init__(self, gateway: Gateway, conversations: Conversations) -> None:
        self._gateway = gateway
        self._conversations = conversations

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await entered(self._gateway, req, NativeChatBody, parsed=parse_native)
        surface, asks = exchange_of(req).surface, of_integrations(body.integrations)
        self._refuse_unknown(body.model)
        message = body.to_message()
        note_prompt(req, lambda: images.logged([message]))
        past = await self._conversations.past(body.previous_response_id)
        keeping = Keeping(
            self._conversations,
            surface.retention,
            past=past,
            messages=(message,),
            system=past.system if body.system_prompt is None else body.system_prompt,
        )
        said = keeping.conversation
        toolbox = await toolbox_of(req, asks)
        tools = toolbox.definitions if toolbox is not None else ()
        asking = Asking(
            self._gateway,
            model=body.model,
            makes=(lambda route: self._call(body, surface, said, tools, route),),
            writer=lambda model: NativeChatWriter(
                model, lambda: keeping.id if keeping.kept else None, toolbox=toolbox
            ),
            toolbox=toolbox,
            terms=Terms(context_length=body.context_length),
            keep=keeping.keep if body.store else None,
        )
        await asking.answer(req, resp, stream=body.stream)

    def _call(
        self,
        body: NativeChatBody,
        surface: Surface,
        said: tuple[talk.Message, ...],
        tools: tuple[talk.Tool, ...],
        route: ServedRoute,
    ) -> talk.Call:
        found = self._gateway.models().instance(route.instance)
        reasoning = body.to_reasoning(found[0].reasoning if found else ())
        chat = talk.Chat(messages=said, reasoning=reasoning, tools=tools, strangers=bool(tools))
        call = body.settings(surface, route).call(new_id("chat-"), chat)
        return msgspec.structs.replace(call, progress=body.stream)

    def _refuse_unknown(self, model: str) -> None:
        """Raise NotListed for what is not served: the native API serves no other in its place."""
        surface = self._gateway.snapshot().surface
        if not is_known(surface, model):
            known = ", ".join(public_names(surface)[:20]) or "none"
            raise NotListed(f"no model named `{model}`", hint=f"known: {known}")
