"""POST /v1/chat/completions (contract 1.14)."""

from typing import Annotated, Any, ClassVar, Final, Literal

from falcon.asgi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lmctl.api import images as pictured
from lmctl.api.answering import Asking, Dress, new_id, plain
from lmctl.api.choices import choices
from lmctl.api.closing import exchange_of
from lmctl.api.entering import entered, note_prompt
from lmctl.api.fields import ChatContent
from lmctl.api.openai_body import Refusals, TextBody, nothing
from lmctl.api.openai_chat_writer import ChatWriter
from lmctl.api.openai_tools import OfferedTool, choice_of, tools_of
from lmctl.base import talk
from lmctl.base.errors import BadRequest
from lmctl.chat.effective import PREFIX
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Gateway
from lmctl.serving.on_demand import Terms

_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh")


class CalledFunction(BaseModel):
    """`function` of a call in an assistant's turn."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: str
    arguments: str = "{}"


class CalledTool(BaseModel):
    """A call the assistant made in an earlier turn."""

    model_config = ConfigDict(strict=True, frozen=True)

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction

    def to_talk(self) -> talk.ToolCall:
        """Return the call in our own words."""
        return talk.ToolCall(self.id, self.function.name, self.function.arguments)


class ChatMessage(BaseModel):
    """One turn as OpenAI writes it; `content` is text, null or a list of parts."""

    model_config = ConfigDict(strict=True, frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: ChatContent = None
    name: str | None = None
    tool_calls: tuple[CalledTool, ...] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None

    def to_talk(self, place: str) -> talk.Message:
        """Return the turn in our own words. Raises BadRequest naming the part that is wrong."""
        return talk.Message(
            role="system" if self.role == "developer" else self.role,
            content=_content_of(self.content, f"{place}.content", images=self.role == "user"),
            name=self.name,
            reasoning=self.reasoning_content or self.reasoning,
            tool_calls=tuple(each.to_talk() for each in self.tool_calls or ()),
            tool_call_id=self.tool_call_id,
        )


class ChatBody(TextBody):
    """The request body."""

    refusals: ClassVar[Refusals] = (
        ("functions", nothing, "long deprecated; send `tools`"),
        ("function_call", nothing, "long deprecated; send `tool_choice`"),
        (
            "modalities",
            lambda kinds: not kinds or kinds == ["text"],
            "this version answers in text only",
        ),
        (
            "reasoning_effort",
            lambda effort: effort is None or (isinstance(effort, str) and effort in _EFFORTS),
            f"should be one of {', '.join(_EFFORTS)}",
        ),
    )

    messages: Annotated[tuple[ChatMessage, ...], Field(min_length=1)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: tuple[OfferedTool, ...] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    functions: Any = None
    function_call: Any = None
    modalities: Any = None
    reasoning_effort: Any = None
    chat_template_kwargs: dict[str, Any] | None = None

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        layer = super().layer()
        if self.logprobs is not None or self.top_logprobs is not None:
            asked = self.logprobs is not False
            layer[PREFIX + "logProbs"] = (self.top_logprobs or 0) if asked else None
        return layer

    def to_chat(self) -> talk.Chat:
        """Return the conversation in our own words. Raises BadRequest naming what is wrong."""
        tools = tools_of(self.tools)
        parallel = self.parallel_tool_calls is not False
        messages = tuple(each.to_talk(f"messages[{n}]") for n, each in enumerate(self.messages))
        pictured.check(messages)
        return talk.Chat(
            messages=messages,
            tools=tools,
            tool_choice=choice_of(self.tool_choice, parallel=parallel, tools=tools),
            reasoning=self._reasoning(),
            template_variables=self.chat_template_kwargs or {},
        )

    def _reasoning(self) -> talk.Reasoning:
        switch = (self.chat_template_kwargs or {}).get("enable_thinking")
        enabled = switch if isinstance(switch, bool) else None
        return talk.Reasoning(enabled=enabled, effort=self.reasoning_effort)


class ChatCompletions:
    """The endpoint; `dress` gives each writer what a sister of this endpoint tells beside."""

    def __init__(self, gateway: Gateway, *, dress: Dress = plain) -> None:
        self._gateway = gateway
        self._dress = dress

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await entered(self._gateway, req, ChatBody)
        body.check()
        chat = body.to_chat()
        note_prompt(req, lambda: pictured.logged(chat.messages))
        surface = exchange_of(req).surface
        apart = surface.compat.separate_reasoning
        answer_id, count = new_id("chatcmpl-"), body.n or 1

        def make(route: ServedRoute) -> talk.Call:
            return body.settings(surface, route).call(answer_id, chat)

        asking = Asking(
            self._gateway,
            model=body.model,
            makes=choices(make, count),
            terms=Terms(body.ttl),
            writer=lambda model: self._dress(
                ChatWriter(answer_id, model, count=count, usage=body.wants_usage, apart=apart),
                model,
            ),
        )
        await asking.answer(req, resp, stream=bool(body.stream))


def _content_of(content: Any, place: str, *, images: bool) -> talk.Content:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise BadRequest(f"`{place}` should be a string, null or a list of parts", param=place)
    parts = [_part(part, f"{place}[{n}]", images=images) for n, part in enumerate(content)]
    return pictured.content(parts)


def _part(part: Any, place: str, *, images: bool) -> str | talk.Image:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        text: str = part["text"]
        return text
    if kind == "image_url" and images:
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        return pictured.from_url(url, f"{place}.image_url.url")
    can = " or an image_url part" if images else ""
    raise BadRequest(f'`{place}` should be {{"type": "text", "text": …}}{can}', param=place)
