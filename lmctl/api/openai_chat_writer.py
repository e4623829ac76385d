"""The shapes of a chat completion: one object, or chunks of it (contract 1.14)."""

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from lmctl.api import sse
from lmctl.api.answered import Answered, AnswerEvent, Said, Thought
from lmctl.api.openai_logprobs import chat_logprobs
from lmctl.api.openai_shapes import draft_stats, error_event, usage_shape
from lmctl.base.errors import LmctlError
from lmctl.base.talk import (
    ChosenToken,
    Finished,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
)
from lmctl.base.usage import drafted_of, usage_of

THOUGHT_BEGINS: Final = "<think>"
THOUGHT_ENDS: Final = "</think>"
_encode = msgspec.json.Encoder().encode


class ChatWriter:
    """Writes the answers to one request. What never changes within it is encoded once.

    `usage` asks for the chunk of counts at the end. Thoughts that are not to be told `apart` stand
    in the content, between marks.
    """

    def __init__(
        self,
        answer_id: str,
        model: str,
        *,
        count: int = 1,
        usage: bool = False,
        apart: bool = True,
    ) -> None:
        self._model = model
        self._common = {"id": answer_id, "object": "chat.completion", "created": int(time.time())}
        chunk = self._common | {"object": "chat.completion.chunk"}
        self._chunk = chunk | {"model": model, "system_fingerprint": model}
        constant = _encode(self._chunk)[:-1]
        self._heads = [
            b'data: %b,"choices":[{"index":%d,"delta":{' % (constant, index)
            for index in range(count)
        ]
        self._begun = [False] * count
        self._count = count
        self._ended: dict[int, Finished] = {}
        self._usage = usage
        self._apart = apart
        self._thinking = [False] * count

    def begin(self) -> bytes:
        return b""

    def event(self, index: int, event: AnswerEvent) -> bytes:
        if self._thinking[index] and not isinstance(event, ReasoningDelta):
            self._thinking[index] = False
            thought = self._delta(index, b'"content":' + _encode(THOUGHT_ENDS))
            return thought + self.event(index, event)
        match event:
            case TextDelta(text=text, tokens=tokens):
                return self._delta(index, b'"content":' + _encode(text), tokens)
            case ReasoningDelta(text=text) if not self._apart:
                begin = "" if self._thinking[index] else THOUGHT_BEGINS
                self._thinking[index] = True
                return self._delta(index, b'"content":' + _encode(begin + text))
            case ReasoningDelta(text=text):
                return self._delta(index, b'"reasoning_content":' + _encode(text))
            case ToolCallStarted(index=number, id=call_id, name=name):
                head = {"index": number, "id": call_id, "type": "function"}
                head["function"] = {"name": name, "arguments": ""}
                return self._delta(index, b'"tool_calls":' + _encode([head]))
            case ToolCallDelta(index=number, arguments=piece):
                body = {"index": number, "function": {"arguments": piece}}
                return self._delta(index, b'"tool_calls":' + _encode([body]))
            case Finished():
                self._ended[index] = event
                return self._last(index, event)
            case _:
                return b""

    def end(self) -> bytes:
        if not self._usage:
            return sse.DONE
        usage = usage_of(self._ended, choices=self._count)
        counts = {"choices": [], "usage": usage_shape(usage, drafted_of(self._ended))}
        return sse.event(self._chunk | counts) + sse.DONE

    def broken(self, error: LmctlError) -> bytes:
        return error_event(error)

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        ended = {index: each.finished for index, each in enumerate(answers)}
        drafted = drafted_of(ended)
        return _encode(
            self._common
            | {
                "model": self._model,
                "choices": [self._choice(*each) for each in enumerate(answers)],
                "usage": usage_shape(usage_of(ended, choices=len(answers)), drafted),
                "stats": draft_stats(drafted),
                "system_fingerprint": self._model,
            }
        )

    def _delta(self, index: int, delta: bytes, tokens: Sequence[ChosenToken] = ()) -> bytes:
        role = b"" if self._begun[index] else b'"role":"assistant",'
        self._begun[index] = True
        return b'%b%b%b},"logprobs":%b,"finish_reason":null}]}\n\n' % (
            self._heads[index],
            role,
            delta,
            _encode(chat_logprobs(tokens)) if tokens else b"null",
        )

    def _last(self, index: int, finished: Finished) -> bytes:
        # An answer without a word still has its role chunk.
        first = b"" if self._begun[index] else self._delta(index, b'"content":""')
        reason = _encode(finished.reason)
        return b'%b%b},"logprobs":null,"finish_reason":%b}]}\n\n' % (
            first,
            self._heads[index],
            reason,
        )

    def _choice(self, index: int, answer: Answered) -> dict[str, Any]:
        content = _content(answer) if self._apart else _with_thoughts(answer)
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if answer.reasoning and self._apart:
            message["reasoning_content"] = answer.reasoning
        message["tool_calls"] = [_tool_call(each) for each in answer.tool_calls]
        return {
            "index": index,
            "message": message,
            "logprobs": chat_logprobs(answer.tokens),
            "finish_reason": answer.finished.reason,
        }


def _content(answer: Answered) -> str | None:
    """Return the text; a message that only calls tools has none, which OpenAI writes as null."""
    return answer.text or (None if answer.tool_calls else "")


def _with_thoughts(answer: Answered) -> str | None:
    """Return the text with the thoughts in it, in the order they came."""
    pieces: list[str] = []
    for part in answer.parts:
        match part:
            case Said(text):
                pieces.append(text)
            case Thought(text):
                pieces += (THOUGHT_BEGINS, text, THOUGHT_ENDS)
            case ToolCall():
                pass
    return "".join(pieces) or _content(answer)


def _tool_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
