"""The shapes of the native chat: one result, or the events that lead to it (contract 1.5, 1.6)."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from lmctl.api import sse
from lmctl.api.answered import Answered, AnswerEvent, Collector, Part, Said, Thought
from lmctl.api.catalogue import native_error
from lmctl.api.native_tool_calls import CallTeller, failure, success, unmade
from lmctl.api.rates import tokens_per_second
from lmctl.base.errors import LmctlError
from lmctl.base.talk import (
    Finished,
    PromptProgress,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from lmctl.serving.on_demand import Loading
from lmctl.serving.tool_rounds import RoundBegan
from lmctl.serving.toolbox import Toolbox, ToolOutcome


class NativeChatWriter:
    """Writes one chat. Reading the prompt, thoughts and text are sections: each is closed before the
    next begins, and all are before the end, however it comes.

    `response_id` says under which id the turn is kept, None when it is not.
    """

    def __init__(
        self,
        model: str,
        response_id: Callable[[], str | None],
        *,
        toolbox: Toolbox | None = None,
    ) -> None:
        self._model = model
        self._toolbox = toolbox
        self._tools = CallTeller(toolbox)
        self._response_id = response_id
        self._collector = Collector()
        self._answered: Answered | None = None
        self._prompt_tokens = 0
        self._begun = False
        self._section = ""

    def begin(self) -> bytes:
        return self._start() + self._open("prompt_processing")

    def loading(self, load: Loading) -> bytes:
        """Return what a step of a load is; a load that fails has no end."""
        begun, about = self._start(), {"model_instance_id": self._model}
        if begun:
            begun += _event("model_load.start", **about)
        if load.seconds is None:
            return begun + _event("model_load.progress", **about, progress=load.progress)
        seconds = round(load.seconds, 3)
        return begun + _event("model_load.end", **about, load_time_seconds=seconds)

    def event(self, index: int, event: AnswerEvent) -> bytes:
        del index  # there is one answer
        self._answered = self._collector.add(event) or self._answered
        match event:
            case PromptProgress(done=done, total=total):
                return _event("prompt_processing.progress", progress=done / max(total, 1))
            case Started(prompt_tokens=tokens):
                self._prompt_tokens = tokens
                return self._close()
            case TextDelta(text=text) if text:
                return self._open("message") + _event("message.delta", content=text)
            case ReasoningDelta(text=text) if text:
                return self._open("reasoning") + _event("reasoning.delta", content=text)
            case ToolCallStarted():
                return self._close() + told(self._tools.started(event))
            case ToolCallEnded():
                return told(self._tools.ended(event))
            case ToolOutcome():
                return told(self._tools.outcome(event))
            case RoundBegan():
                return self._open("prompt_processing")
            case Finished():
                return self._close()
            case _:
                return b""

    def end(self) -> bytes:
        return told(self._tools.unmade()) + _event("chat.end", result=self._result())

    def broken(self, error: LmctlError) -> bytes:
        begin = b"" if self._begun else self.begin()
        told = _event("error", **native_error(error))
        return begin + self._close() + told + self.end()

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        self._answered = answers[0]
        return msgspec.json.encode(self._result())

    def _start(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return _event("chat.start", model_instance_id=self._model)

    def _open(self, section: str) -> bytes:
        if self._section == section:
            return b""
        before = self._close()
        self._section = section
        return before + _event(f"{section}.start")

    def _close(self) -> bytes:
        section, self._section = self._section, ""
        return _event(f"{section}.end") if section else b""

    def _result(self) -> dict[str, Any]:
        """Return the whole answer, or as much of it as there was when it broke off."""
        answer = self._answered
        parts = answer.parts if answer else self._collector.so_far()
        finished = answer.finished if answer else Finished("stop", Usage(self._prompt_tokens, 0))
        result: dict[str, Any] = {
            "model_instance_id": self._model,
            "output": [_item(each) for each in parts],
            "stats": _stats(finished),
        }
        weight = self._toolbox.weight if self._toolbox is not None else None
        if weight is not None:
            result["stats"]["tool_definition_tokens"] = weight.tokens
            result |= {"warnings": [weight.warning]} if weight.warning else {}
        response_id = self._response_id() if answer else None
        return result | ({"response_id": response_id} if response_id else {})


def _item(part: Part) -> dict[str, Any]:
    match part:
        case Said(text=text):
            return {"type": "message", "content": text}
        case Thought(text=text):
            return {"type": "reasoning", "content": text}
        case ToolOutcome(fault=None):
            return {"type": "tool_call"} | success(part)
        case ToolOutcome():
            return {"type": "invalid_tool_call"} | failure(part)
        case _:
            return {"type": "invalid_tool_call"} | unmade(part.name)


def _stats(finished: Finished) -> dict[str, Any]:
    usage = finished.usage
    return {
        "input_tokens": usage.prompt_tokens,
        "total_output_tokens": usage.completion_tokens,
        "reasoning_output_tokens": usage.reasoning_tokens,
        "tokens_per_second": tokens_per_second(finished),
        "time_to_first_token_seconds": finished.time_to_first_token,
    }


def _event(name: str, **told: Any) -> bytes:
    return b"event: " + name.encode() + b"\n" + sse.event({"type": name} | told)


def told(events: Iterable[tuple[str, dict[str, Any]]]) -> bytes:
    """Return events as a piece of the stream."""
    return b"".join(_event(name, **each) for name, each in events)
