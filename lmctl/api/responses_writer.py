"""The events of a response, in the order of contract 1.19."""

from typing import Any

import msgspec

from lmctl.api import sse
from lmctl.api.answered import Answered, AnswerEvent, Collector, Part, Said, Thought
from lmctl.api.catalogue import code_of, message_of, param_of
from lmctl.api.openai_logprobs import token_logprobs
from lmctl.api.responses_shape import ResponseShape, text_part
from lmctl.base.errors import LmctlError
from lmctl.base.talk import (
    ChosenToken,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from lmctl.serving.toolbox import ToolOutcome


class ResponsesWriter:
    """Writes one response. Items follow one another, each open until the next begins."""

    def __init__(self, shape: ResponseShape, model: str) -> None:
        shape.model = model
        self._shape = shape
        self._collector = Collector()
        self._answered: Answered | None = None
        self._begun = False
        self._number = 0
        self._index = -1
        self._item_id = ""
        self._open: Part | None = None
        self._pieces: list[str] = []
        self._tokens: list[ChosenToken] = []
        self._sent = 0
        self._waiting: dict[int, int] = {}
        self._calling = 0

    def begin(self) -> bytes:
        self._begun = True
        response = self._shape.running()
        created = self._event("response.created", response=response)
        begun = created + self._event("response.in_progress", response=response)
        return begun + b"".join(self._list(each) for each in self._shape.lists())

    def event(self, index: int, event: AnswerEvent) -> bytes:
        del index  # there is one answer
        self._answered = self._collector.add(event) or self._answered
        match event:
            case TextDelta(text=text, tokens=tokens):
                self._tokens += tokens
                return self._say(text) if text else b""
            case ReasoningDelta(text=text) if text:
                return self._think(text)
            case ToolCallStarted(index=number, id=call, name=name):
                self._calling = number
                return self._close() + self._begin(ToolCall(call, name, ""))
            case ToolCallDelta(arguments=piece):
                return self._argue(piece)
            case ToolCallEnded(arguments=arguments):
                rest = b"" if self._pieces else self._argue(arguments)
                return rest + self._close(arguments)
            case ToolOutcome():
                return self._came_to(event)
            case Finished(reason=reason):
                return self._close(status="incomplete" if reason == "length" else "completed")
            case _:
                return b""

    def end(self) -> bytes:
        if self._answered is None:
            return b""
        response = self._shape.complete(self._answered)
        return self._event(f"response.{response['status']}", response=response)

    def broken(self, error: LmctlError) -> bytes:
        begin = b"" if self._begun else self.begin()
        parts = self._collector.so_far()
        told = {"code": code_of(error), "message": message_of(error), "param": param_of(error)}
        failed = self._shape.failed(parts, error)
        return (
            begin + self._event("error", **told) + self._event("response.failed", response=failed)
        )

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        return msgspec.json.encode(self._shape.complete(answers[0]))

    def _say(self, text: str) -> bytes:
        begin = b"" if isinstance(self._open, Said) else self._close() + self._begin(Said(""))
        self._pieces.append(text)
        new = token_logprobs(self._tokens[self._sent :])
        self._sent = len(self._tokens)
        return begin + self._in_part("response.output_text.delta", delta=text, logprobs=new)

    def _think(self, text: str) -> bytes:
        begin = b"" if isinstance(self._open, Thought) else self._close() + self._begin(Thought(""))
        self._pieces.append(text)
        return begin + self._in_part("response.reasoning_text.delta", delta=text)

    def _argue(self, piece: str) -> bytes:
        if not piece:
            return b""
        self._pieces.append(piece)
        return self._in_item(f"response.{self._kind()}_arguments.delta", delta=piece)

    def _kind(self) -> str:
        """Return what the call that is being written is: one made here, or one of the client's."""
        here = isinstance(self._open, ToolCall) and self._shape.called_here(self._open.name)
        return "mcp_call" if here else "function_call"

    def _list(self, item: dict[str, Any]) -> bytes:
        """Tell what a server offers: it is known already, so the item is done at once."""
        self._index += 1
        self._item_id = item["id"]
        empty = item | {"tools": []}
        return (
            self._event("response.output_item.added", output_index=self._index, item=empty)
            + self._in_item("response.mcp_list_tools.in_progress")
            + self._in_item("response.mcp_list_tools.completed")
            + self._event("response.output_item.done", output_index=self._index, item=item)
        )

    def _came_to(self, outcome: ToolOutcome) -> bytes:
        """End the item of a call that was made: others may have begun since it was written."""
        index = self._waiting.pop(outcome.index)
        item = self._shape.item(index, outcome, "completed")
        ending = "failed" if outcome.failed else "completed"
        told = {"item_id": item["id"], "output_index": index}
        ended = self._event(f"response.mcp_call.{ending}", **told)
        return ended + self._event("response.output_item.done", output_index=index, item=item)

    def _begin(self, part: Part) -> bytes:
        self._open = part
        self._index += 1
        item = self._shape.item(self._index, part, "in_progress")
        self._item_id = item["id"]
        if isinstance(part, (ToolCall, ToolOutcome)):
            added = self._event("response.output_item.added", output_index=self._index, item=item)
            made_here = self._kind() == "mcp_call"
            return added + (self._in_item("response.mcp_call.in_progress") if made_here else b"")
        item["content"] = []
        added = self._event("response.output_item.added", output_index=self._index, item=item)
        return added + self._in_part("response.content_part.added", part=_content(part))

    def _close(self, whole: str | None = None, *, status: str = "completed") -> bytes:
        """Return what ends the open item; `whole` is its text where it is known better."""
        part, self._open = self._open, None
        text = "".join(self._pieces) if whole is None else whole
        self._pieces = []
        match part:
            case None:
                return b""
            case Said():
                said = Said(text, tuple(self._tokens))
                self._tokens, self._sent = [], 0
                logprobs = token_logprobs(said.tokens)
                done = self._in_part("response.output_text.done", text=text, logprobs=logprobs)
                return done + self._done(said, status)
            case Thought():
                done = self._in_part("response.reasoning_text.done", text=text)
                return done + self._done(Thought(text), status)
            case ToolCall(name=name) if self._shape.called_here(name):
                self._waiting[self._calling] = self._index
                return self._in_item("response.mcp_call_arguments.done", arguments=text)
            case ToolOutcome():  # it is never the one that is being written
                return b""
            case ToolCall(id=call, name=name):
                done = self._in_item(
                    "response.function_call_arguments.done", name=name, arguments=text
                )
                return done + self._item_done(ToolCall(call, name, text), status)

    def _done(self, part: Said | Thought, status: str) -> bytes:
        content = self._in_part("response.content_part.done", part=_content(part))
        return content + self._item_done(part, status)

    def _item_done(self, part: Part, status: str) -> bytes:
        item = self._shape.item(self._index, part, status)
        return self._event("response.output_item.done", output_index=self._index, item=item)

    def _in_part(self, event: str, /, **told: Any) -> bytes:
        return self._in_item(event, content_index=0, **told)

    def _in_item(self, event: str, /, **told: Any) -> bytes:
        return self._event(event, item_id=self._item_id, output_index=self._index, **told)

    def _event(self, name: str, /, **told: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        event = {"type": name, "sequence_number": number} | told
        return b"event: " + name.encode() + b"\n" + sse.event(event)


def _content(part: Said | Thought) -> dict[str, Any]:
    if isinstance(part, Thought):
        return {"type": "reasoning_text", "text": part.text}
    return text_part(part)
