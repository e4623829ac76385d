"""The shapes of Anthropic's answers: one message, or the events that build it (contract 1.20)."""

from typing import Any

import msgspec

from lmctl.api import sse
from lmctl.api.answered import Answered, AnswerEvent, Part, Said, Thought
from lmctl.api.anthropic_body import TOOL_PREFIX
from lmctl.api.catalogue import anthropic_error
from lmctl.base.errors import LmctlError
from lmctl.base.talk import (
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from lmctl.serving.toolbox import ToolOutcome

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}


class MessagesWriter:
    """Writes one message. Blocks follow one another, never two at a time.

    The message starts with the runner's first word about the prompt, so that its usage is true.
    """

    def __init__(self, answer_id: str, model: str) -> None:
        self._message = {"id": answer_id, "type": "message", "role": "assistant", "model": model}
        self._begun = False
        self._kind = ""
        self._index = -1
        self._streamed = False  # whether arguments of the open call were sent

    def begin(self) -> bytes:
        return b""

    def event(self, index: int, event: AnswerEvent) -> bytes:
        del index  # there is one answer
        match event:
            case Started(prompt_tokens=prompt, cached_tokens=cached):
                return self._start(prompt, cached)
            case TextDelta(text=text):
                delta = {"type": "text_delta", "text": text}
                return self._in("text", {"type": "text", "text": ""}) + self._delta(delta)
            case ReasoningDelta(text=text):
                delta = {"type": "thinking_delta", "thinking": text}
                return self._in("thinking", _THINKING) + self._delta(delta)
            case ToolCallStarted(id=call_id, name=name):
                self._streamed = False
                call = {"type": "tool_use", "id": TOOL_PREFIX + call_id, "name": name, "input": {}}
                return self._stop() + self._in("tool_use", call)
            case ToolCallDelta(arguments=piece):
                self._streamed = True
                return self._delta({"type": "input_json_delta", "partial_json": piece})
            case ToolCallEnded(arguments=arguments):
                return self._arguments(arguments) + self._stop()
            case Finished():
                return self._finish(event)
            case _:
                return b""

    def end(self) -> bytes:
        return _event({"type": "message_stop"})

    def broken(self, error: LmctlError) -> bytes:
        return _event(anthropic_error(error))

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        answer = answers[0]
        told = {"content": [_block(each) for each in answer.parts], **_ending(answer.finished)}
        return msgspec.json.encode(self._message | told | {"usage": _usage(answer.finished)})

    def _start(self, prompt: int, cached: int) -> bytes:
        self._begun = True
        usage = _counts(prompt, cached) | {"output_tokens": 0}
        told: dict[str, Any] = {
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        message = _event({"type": "message_start", "message": self._message | told})
        return message + _event({"type": "ping"})

    def _in(self, kind: str, block: dict[str, Any]) -> bytes:
        """Return what opens a block of this kind, when none is open."""
        if self._kind == kind:
            return b""
        before = self._stop()
        self._kind = kind
        self._index += 1
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        return before + _event(start)

    def _stop(self) -> bytes:
        """Return what closes the open block; a thought is signed with nothing, as nobody checks."""
        if not self._kind:
            return b""
        thought = self._kind == "thinking"
        self._kind = ""
        signed = self._delta({"type": "signature_delta", "signature": ""}) if thought else b""
        return signed + _event({"type": "content_block_stop", "index": self._index})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _arguments(self, arguments: str) -> bytes:
        """Return all arguments at once where none came in pieces."""
        if self._streamed or not arguments:
            return b""
        return self._delta({"type": "input_json_delta", "partial_json": arguments})

    def _finish(self, finished: Finished) -> bytes:
        usage = finished.usage
        begin = b"" if self._begun else self._start(usage.prompt_tokens, usage.cached_tokens)
        last = {"type": "message_delta", "delta": _ending(finished), "usage": _usage(finished)}
        return begin + self._stop() + _event(last)


def _event(value: dict[str, Any]) -> bytes:
    """Return an event with its name: Anthropic's clients drop those without."""
    name: str = value["type"]
    return b"event: " + name.encode() + b"\n" + sse.event(value)


def _ending(finished: Finished) -> dict[str, Any]:
    stopped = finished.reason == "stop" and finished.stop_string is not None
    reason = "stop_sequence" if stopped else _STOPS[finished.reason]
    return {"stop_reason": reason, "stop_sequence": finished.stop_string if stopped else None}


def _usage(finished: Finished) -> dict[str, int]:
    usage = finished.usage
    counts = _counts(usage.prompt_tokens, usage.cached_tokens)
    return counts | {"output_tokens": usage.completion_tokens}


def _counts(prompt: int, cached: int) -> dict[str, int]:
    """Return the prompt's tokens: Anthropic counts those read from the cache apart."""
    return {
        "input_tokens": prompt - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
    }


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Said(text=text):
            return {"type": "text", "text": text}
        case Thought(text=text):
            return _THINKING | {"thinking": text}
        case ToolOutcome(call=call):  # no tools are called here in this dialect
            return _block(call)
        case _:
            given = _object(part.arguments)
            block = {"type": "tool_use", "id": TOOL_PREFIX + part.id, "name": part.name}
            return block | {"input": given}


def _object(arguments: str) -> dict[str, Any]:
    """Return arguments as an object; those that are none (a cut answer) as they stand."""
    try:
        given: dict[str, Any] = msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {"arguments": arguments}
    return given
