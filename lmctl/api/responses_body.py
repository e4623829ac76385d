"""The request body of `/v1/responses`, and what it means in our own words (contract 1.19).

The schema is open. What is known and cannot be done is refused by name, never silently ignored.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from lmctl.api.fields import Items, Number, Seconds, Share, layer_of
from lmctl.api.responses_items import messages_of
from lmctl.api.responses_tools import choice_of, tools_of
from lmctl.api.tool_asks import ToolAsk, of_tools
from lmctl.api.tuned import TunedBody
from lmctl.base import talk
from lmctl.base.errors import BadRequest
from lmctl.chat.effective import PREFIX

_KEYS: Final = {
    "temperature": "temperature",
    "top_p": "topPSampling",
    "max_output_tokens": "maxPredictedTokens",
}
_LOGPROBS: Final = "message.output_text.logprobs"
# Echoed, and without effect here, as in LM Studio.
_ECHOED: Final = (
    "metadata", "service_tier", "max_tool_calls", "safety_identifier",
    "prompt_cache_key", "max_output_tokens", "top_logprobs",
)  # fmt: skip


class ReasoningFields(BaseModel):
    """`reasoning`: how much to think; no summaries are made."""

    model_config = ConfigDict(strict=True, frozen=True)

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    summary: str | None = None


class TextFields(BaseModel):
    """`text`: what the answer looks like."""

    model_config = ConfigDict(strict=True, frozen=True)

    format: dict[str, Any] | None = None


class ResponsesBody(TunedBody):
    """The request body."""

    model_config = ConfigDict(strict=True, frozen=True)

    model: str | None = None
    input: Items = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Share | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    reasoning: ReasoningFields | None = None
    text: TextFields | None = None
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    include: tuple[str, ...] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: dict[str, Any] | None = None
    max_tool_calls: int | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    ttl: Seconds | None = None

    @property
    def stored(self) -> bool:
        """Whether it is to be remembered."""
        return self.store is not False

    def check(self) -> None:
        """Raise BadRequest naming a field that asks for what this version cannot do."""
        if self.background and self.stream:
            raise _refused("stream", "what is written in the background is looked at by its id")
        if self.background and not self.stored:
            raise _refused("store", "what is written in the background has to be stored")
        if self.conversation is not None:
            raise _refused("conversation", "send `previous_response_id` to go on")
        if self.prompt is not None:
            raise _refused("prompt", "there are no prompts stored here; send `input`")
        self._constraint()

    def to_messages(self) -> tuple[talk.Message, ...]:
        """Return what is said in our own words. Raises BadRequest naming what is wrong."""
        return messages_of(self.input)

    def functions(self) -> tuple[talk.Tool, ...]:
        """Return the client's own tools. Raises BadRequest naming what is wrong."""
        return tools_of(self.tools)

    def servers(self) -> tuple[ToolAsk, ...]:
        """Return the tool servers to use. Raises BadRequest naming what is wrong."""
        asks = of_tools(self.tools)
        if self.background and any(each.url is not None for each in asks):
            raise _refused("background", "a server the request brings lives as long as it does")
        return asks

    def to_chat(
        self, messages: tuple[talk.Message, ...], tools: tuple[talk.Tool, ...]
    ) -> talk.Chat:
        """Return the request in our own words. Raises BadRequest naming what is wrong."""
        parallel = self.parallel_tool_calls is not False
        return talk.Chat(
            messages=messages,
            tools=tools,
            tool_choice=choice_of(self.tool_choice, parallel=parallel, tools=tools),
            reasoning=self._reasoning(),
        )

    def _reasoning(self) -> talk.Reasoning:
        effort = self.reasoning.effort if self.reasoning else None
        if effort == "none":
            return talk.Reasoning(enabled=False)
        return talk.Reasoning(enabled=None if effort is None else True, effort=effort)

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        layer = layer_of(self, _KEYS)
        if self.text and self.text.format:
            layer[PREFIX + "structured"] = self._constraint()
        if self.truncation is not None:
            policy = "truncateMiddle" if self.truncation == "auto" else "stopAtLimit"
            layer[PREFIX + "contextOverflowPolicy"] = policy
        if self.top_logprobs or _LOGPROBS in (self.include or ()):
            layer[PREFIX + "logProbs"] = self.top_logprobs or 0
        return layer

    def _constraint(self) -> talk.Constraint | None:
        match (self.text and self.text.format) or {"type": "text"}:
            case {"type": "text"}:
                return None
            case {"type": "json_object"}:
                return talk.JsonDocument()
            case {"type": "json_schema", "schema": dict() as schema}:
                return talk.JsonDocument(schema)
            case _:
                expected = '{"type": "json_schema", "name": …, "schema": …}'
                raise _refused("text.format", f'should be {expected}, "json_object" or "text"')

    def echo(self) -> dict[str, Any]:
        """Return what a response repeats of its request."""
        reasoning = self.reasoning or ReasoningFields()
        format_ = (self.text.format if self.text else None) or {"type": "text"}
        return {name: getattr(self, name) for name in _ECHOED} | {
            "previous_response_id": self.previous_response_id,
            "instructions": self.instructions,
            "tools": [_without_headers(each) for each in self.tools or []],
            "tool_choice": self.tool_choice or "auto",
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "text": {"format": format_},
            "top_logprobs": self.top_logprobs or 0,
            "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
            "store": self.stored,
            "background": bool(self.background),
            "service_tier": "default",
            "metadata": self.metadata or {},
        }


def _refused(field: str, why: str) -> BadRequest:
    return BadRequest(f"`{field}`: {why}", param=field)


def _without_headers(tool: Any) -> Any:
    """Return a tool as it may be shown again: headers of a tool server are secrets."""
    if not isinstance(tool, dict) or tool.get("type") != "mcp":
        return tool
    return {key: each for key, each in tool.items() if key != "headers"}
