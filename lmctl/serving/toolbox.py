"""The tools of servers that one request offers its model, and what a call of one comes to."""

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import msgspec

from lmctl.base.errors import LmctlError
from lmctl.base.json_schema import fault, mismatch
from lmctl.base.talk import Content, Image, Message, Text, Tool, ToolCall
from lmctl.base.tools import ToolAnswer, ToolOffer, object_of, said
from lmctl.planning.surface import ToolRules
from lmctl.serving.tool_weights import ToolWeight

Fault = Literal["invalid_name", "invalid_arguments"]
_CUT: Final = "\n[cut: {} of {} bytes are shown]"
_LARGEST_IMAGE: Final = 8 * 1024 * 1024  # bytes of base64 that are passed on
_GRACE: Final = 5.0  # seconds a server may be late beyond what it was given


@dataclass(frozen=True, slots=True)
class Provider:
    """Who offers a tool: `mcp/LABEL` of this box, or (`ephemeral`) what the request brought."""

    label: str
    ephemeral: bool = False


class ToolServer(Protocol):
    """A server a request may use: one the daemon hosts, or one that is connected for it."""

    @property
    def provider(self) -> Provider: ...

    @property
    def tools(self) -> tuple[ToolOffer, ...]: ...

    async def call(self, tool: str, arguments: dict[str, Any], *, seconds: float) -> ToolAnswer: ...


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool, the server it is of, and the name the model is told."""

    name: str
    tool: ToolOffer
    server: ToolServer


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What became of the call number `index` of an answer: an `answer`, or the `fault` for which it
    was not made. `round` counts how often the model was asked before; pictures are shown to one that
    `sees`.
    """

    index: int
    call: ToolCall
    offered: Offered | None
    arguments: dict[str, Any]
    answer: ToolAnswer
    fault: Fault | None = None
    round: int = 0
    sees: bool = False

    @property
    def reason(self) -> str:
        """Return what is wrong with the call, or what the tool said in words."""
        return "\n".join(_texts(self.answer))

    @property
    def failed(self) -> bool:
        """Say whether nothing came of it."""
        return self.fault is not None or self.answer.failed

    @property
    def output(self) -> str:
        """Return the parts as the JSON text that LM Studio answers with."""
        return msgspec.json.encode(self.answer.content).decode()


class Toolbox:
    """What is offered, by the name the model is told: the tool's own, or where two have it, with the
    label of its server before it. `taken` are names of the client's own functions. `weight` is how
    much they take of a prompt, once that is known.
    """

    def __init__(
        self,
        servers: Sequence[ToolServer],
        rules: ToolRules,
        *,
        allowed: Sequence[frozenset[str] | None] = (),
        taken: Iterable[str] = (),
    ) -> None:
        self.rules = rules
        self.weight: ToolWeight | None = None
        self.lists = [
            (server, _allowed(server, only))
            for server, only in zip(servers, allowed or [None] * len(servers), strict=True)
        ]
        self._taken = frozenset(taken)
        self._offered = {each.name: each for each in self._named()}

    @property
    def definitions(self) -> tuple[Tool, ...]:
        """Return the tools in the words of a conversation."""
        return tuple(
            Tool(name, each.tool.description or None, each.tool.input_schema or None)
            for name, each in self._offered.items()
        )

    def find(self, name: str) -> Offered | None:
        """Return what a model means by a name; None where it is no tool of these servers."""
        return self._offered.get(name)

    def answers(self, name: str) -> bool:
        """Say whether a call is answered here: of these tools, or of none at all. The client answers
        for its own, and where it has some, for names nobody knows too.
        """
        return name in self._offered or not self._taken

    async def outcome(self, index: int, call: ToolCall) -> ToolOutcome:
        """Make a call. Whatever goes wrong is an answer too: the model is told and goes on."""
        offered = self.find(call.name)
        arguments = object_of(call.arguments)
        if offered is None:
            known = ", ".join(self._offered) or "none"
            answer = _no(f"there is no tool `{call.name}`; known: {known}")
            return ToolOutcome(index, call, None, arguments or {}, answer, "invalid_name")
        if (why := _misfit(offered.tool, call.arguments, arguments)) is not None:
            return ToolOutcome(index, call, offered, arguments or {}, _no(why), "invalid_arguments")
        answer = await self._called(offered, arguments or {})
        return ToolOutcome(index, call, offered, arguments or {}, answer)

    async def _called(self, offered: Offered, arguments: dict[str, Any]) -> ToolAnswer:
        seconds = self.rules.call_timeout
        try:
            async with asyncio.timeout(seconds + _GRACE):
                answer = await offered.server.call(offered.tool.name, arguments, seconds=seconds)
        except TimeoutError:
            return _no(f"`{offered.tool.name}` did not answer within {seconds:g} s")
        except LmctlError as error:
            return _no(str(error))
        parts = tuple(_bounded(each, self.rules.max_output) for each in answer.content)
        return ToolAnswer(parts, answer.failed)

    def _named(self) -> Iterator[Offered]:
        every = Counter(each.name for _, tools in self.lists for each in tools)
        every.update(self._taken)
        used = set(self._taken)
        for server, tools in self.lists:
            for tool in tools:
                alone = every[tool.name] == 1
                name = tool.name if alone else f"{server.provider.label}_{tool.name}"
                while name in used:
                    name += "_"
                used.add(name)
                yield Offered(name, tool, server)


def message_of(outcome: ToolOutcome) -> Message:
    """Return what the model is told of a call."""
    parts = list(_shown(outcome.answer, sees=outcome.sees))
    if all(isinstance(each, Text) for each in parts):
        content: Content = "\n".join(each.text for each in parts if isinstance(each, Text))
    else:
        content = tuple(parts)
    return Message(role="tool", content=content, tool_call_id=outcome.call.id)


def _shown(answer: ToolAnswer, *, sees: bool) -> Iterator[Text | Image]:
    for part in answer.content:
        match part:
            case {"type": "image", "data": str(data)} if sees:
                yield Image(_decoded(data), str(part.get("mimeType", "")))
            case {"type": "image"}:
                yield Text(f"[an image, {part.get('mimeType')}, that this model cannot see]")
            case _:
                yield Text(_text_of(part))
    if not answer.content:
        yield Text("[nothing]")


def _texts(answer: ToolAnswer) -> Iterator[str]:
    for part in answer.content:
        yield f"[an image, {part.get('mimeType')}]" if part["type"] == "image" else _text_of(part)


def _text_of(part: dict[str, Any]) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource", "resource": {"uri": uri, "text": str(text)}}:
            return f"[{uri}]\n{text}"
        case {"type": "resource", "resource": {"uri": uri}}:
            return f"[{uri}: {part['resource'].get('mimeType', 'binary')}]"
        case {"type": "resource_link", "uri": uri}:
            return f"[{part.get('title') or part.get('name') or 'a resource'}: {uri}]"
        case {"type": kind}:
            return f"[{kind}]"
    return str(part)


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return b""


def _bounded(part: dict[str, Any], most: int) -> dict[str, Any]:
    """Return a part with its text cut, and without a picture that is too large to be one."""
    match part:
        case {"type": "image" | "audio" as kind, "data": str(data)} if len(data) > _LARGEST_IMAGE:
            return {"type": "text", "text": f"[{kind} of {len(data)} bytes, too large]"}
        case {"type": "text", "text": str(text)}:
            return part | {"text": _cut(text, most)}
        case {"type": "resource", "resource": {"text": str(text)}}:
            return part | {"resource": part["resource"] | {"text": _cut(text, most)}}
    return part


def _cut(text: str, most: int) -> str:
    whole = text.encode()
    if len(whole) <= most:
        return text
    return whole[:most].decode(errors="ignore") + _CUT.format(most, len(whole))


def _allowed(server: ToolServer, only: frozenset[str] | None) -> tuple[ToolOffer, ...]:
    if only is None:
        return server.tools
    return tuple(each for each in server.tools if each.name in only)


def _misfit(tool: ToolOffer, text: str, arguments: dict[str, Any] | None) -> str | None:
    """Return why arguments are none of this tool. A schema that is none itself says nothing."""
    if arguments is None:
        return f"the arguments of `{tool.name}` are no JSON object: {text[:200]}"
    if not tool.input_schema or fault(tool.input_schema) is not None:
        return None
    wrong = mismatch(tool.input_schema, arguments)
    return None if wrong is None else f"the arguments do not fit `{tool.name}`: {wrong}"


def _no(why: str) -> ToolAnswer:
    return said(why, failed=True)
