"""The request body of Anthropic's Messages API, and what it means in our own words (contract 1.20).

The schema is open. What is known and cannot be done is refused by name, never silently ignored;
`cache_control`, `metadata` and their like ask for nothing that could be missed.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from lmctl.api import images
from lmctl.api.anthropic_tools import choice_of, tools_of
from lmctl.api.fields import Blocks, Number, Share, Stop, TextBlocks, layer_of
from lmctl.api.tuned import TunedBody
from lmctl.base import talk
from lmctl.base.errors import BadRequest
from lmctl.chat.effective import PREFIX

TOOL_PREFIX: Final = "toolu_"

_KEYS: Final = {
    "temperature": "temperature",
    "top_k": "topKSampling",
    "top_p": "topPSampling",
    "stop_sequences": "stopStrings",
    "max_tokens": "maxPredictedTokens",
}


class Turn(BaseModel):
    """One turn; `content` is text or a list of blocks."""

    model_config = ConfigDict(strict=True, frozen=True)

    role: Literal["user", "assistant", "system"]
    content: Blocks


class JsonOutput(BaseModel):
    """What holds an answer to a JSON Schema."""

    model_config = ConfigDict(strict=True, frozen=True)

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(BaseModel):
    """`output_config`; `output_format` is what its format was called at first."""

    model_config = ConfigDict(strict=True, frozen=True)

    format: JsonOutput | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class CountBody(TunedBody):
    """What makes the prompt, and all that `count_tokens` reads."""

    model_config = ConfigDict(strict=True, frozen=True)

    model: str
    messages: Annotated[tuple[Turn, ...], Field(min_length=1)]
    system: TextBlocks = None
    tools: Any = None
    tool_choice: Any = None
    thinking: Any = None

    def to_chat(self) -> talk.Chat:
        """Return the conversation in our own words. Raises BadRequest naming what is wrong."""
        tools = tools_of(self.tools)
        said = tuple(
            message
            for number, turn in enumerate(self.messages)
            for message in _messages(turn, f"messages[{number}]")
        )
        images.check(said)
        system = _text(self.system, "system")
        head = (talk.Message(role="system", content=system),) if system else ()
        return talk.Chat(
            messages=head + said,
            tools=tools,
            tool_choice=choice_of(self.tool_choice, tools),
            reasoning=_reasoning(self.thinking),
        )


class MessagesBody(CountBody):
    """The request body of `/v1/messages`."""

    max_tokens: Annotated[int, Field(ge=1)]
    stream: bool | None = None
    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    stop_sequences: Stop | None = None
    output_config: OutputConfig | None = None
    output_format: JsonOutput | None = None

    def to_chat(self) -> talk.Chat:
        """Return the conversation in our own words. Raises BadRequest naming what is wrong."""
        chat = super().to_chat()
        effort = self.output_config and self.output_config.effort
        if not effort or chat.reasoning.enabled is False:
            return chat
        thinking = msgspec.structs.replace(chat.reasoning, effort=effort)
        return msgspec.structs.replace(chat, reasoning=thinking)

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        layer = layer_of(self, _KEYS)
        form = (self.output_config and self.output_config.format) or self.output_format
        if form:
            layer[PREFIX + "structured"] = talk.JsonDocument(form.schema_)
        return layer


def _reasoning(thinking: Any) -> talk.Reasoning:
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if thinking is None or kind in ("adaptive", "between_tools"):  # when to think is the model's
        return talk.Reasoning()
    if kind == "disabled":
        return talk.Reasoning(enabled=False)
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if kind == "enabled" and isinstance(budget, int) and budget > 0:
        return talk.Reasoning(enabled=True, budget=budget)
    raise BadRequest(
        '`thinking` should be {"type": "enabled", "budget_tokens": …}, "disabled", "adaptive" or "between_tools"',
        param="thinking",
    )


def _messages(turn: Turn, place: str) -> Iterator[talk.Message]:
    """Yield the turn; results of tools are turns of their own, before what the user says."""
    blocks = _blocks(turn.content, f"{place}.content")
    said: list[str | talk.Image] = []
    thought: list[str] = []
    calls: list[talk.ToolCall] = []
    results = 0
    for where, block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                said.append(text)
            case {"type": "thinking", "thinking": str(text)}:
                thought.append(text)
            case {"type": "redacted_thinking"}:
                pass  # nobody but Anthropic can read it
            case {"type": "tool_use", "id": str(call), "name": str(name), "input": dict(given)}:
                arguments = msgspec.json.encode(given).decode()
                calls.append(talk.ToolCall(_plain(call), name, arguments))
            case {"type": "tool_result", "tool_use_id": str(call)}:
                results += 1
                content = _text(block.get("content"), f"{where}.content")
                yield talk.Message(role="tool", content=content, tool_call_id=_plain(call))
            case {"type": "image", "source": dict(source)} if turn.role == "user":
                said.append(_image(source, f"{where}.source"))
            case _:
                raise BadRequest(f"`{where}` is no block this version reads", param=where)
    if said or thought or calls or not results:
        yield talk.Message(
            role=turn.role,
            content=images.content(said),
            reasoning="".join(thought) or None,
            tool_calls=tuple(calls),
        )


def _image(source: dict[str, Any], place: str) -> talk.Image:
    if source.get("type") != "base64":
        raise BadRequest(f"`{place}` should be base64; remote images are not fetched", param=place)
    return images.from_base64(source.get("data"), source.get("media_type"), f"{place}.data")


def _text(content: Any, place: str) -> str:
    """Return text given as a string, as blocks of text, or not at all."""
    if content is None:
        return ""
    pieces = []
    for where, block in _blocks(content, place):
        match block:
            case {"type": "text", "text": str(text)}:
                pieces.append(text)
            case _:
                raise BadRequest(f"`{where}` should be a text block", param=where)
    return "".join(pieces)


def _blocks(content: Any, place: str) -> list[tuple[str, Any]]:
    if isinstance(content, str):
        return [(place, {"type": "text", "text": content})]
    if not isinstance(content, list):
        raise BadRequest(f"`{place}` should be a string or a list of blocks", param=place)
    return [(f"{place}[{number}]", block) for number, block in enumerate(content)]


def _plain(call_id: str) -> str:
    """Return the id the runner gave a call."""
    return call_id.removeprefix(TOOL_PREFIX)
