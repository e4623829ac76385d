"""The response object and its items (contract 1.19), the same in streams, whole and stored."""

import time
from collections.abc import Sequence
from typing import Any, Final

from lmctl.api.answered import Answered, Part, Said, Thought
from lmctl.api.catalogue import code_of, message_of
from lmctl.api.openai_logprobs import token_logprobs
from lmctl.api.responses_items import CALL_PREFIX
from lmctl.base.errors import LmctlError
from lmctl.base.talk import Overflow, Sampling, ToolCall, Usage
from lmctl.base.tools import ToolOffer
from lmctl.serving.toolbox import Toolbox, ToolOutcome

_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "mcp_call": "mcp",
    "mcp_list_tools": "mcpl",
}
_ORDER: Final = (
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model",
    "previous_response_id", "instructions", "output", "error", "tools", "tool_choice",
    "truncation", "parallel_tool_calls", "text", "top_p", "presence_penalty",
    "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage",
    "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata",
    "safety_identifier", "prompt_cache_key",
)  # fmt: skip


class ResponseShape:
    """One response. `echo` is what it repeats of its request; items are named after its id, so that
    whoever writes them gives them the same names. The lists of tools in a `toolbox` come before all
    else.
    """

    def __init__(
        self, response_id: str, echo: dict[str, Any], toolbox: Toolbox | None = None
    ) -> None:
        self.id = response_id
        self._toolbox = toolbox
        self.model = ""
        self._made = int(time.time())
        self._echo = echo
        self._final: dict[str, Any] | None = None

    def held(self, sampling: Sampling, overflow: Overflow) -> None:
        """Tell the settings that really hold."""
        self._echo |= {
            "truncation": "disabled" if overflow == "stopAtLimit" else "auto",
            "temperature": sampling.temperature,
            "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
            "presence_penalty": sampling.presence_penalty or 0.0,
            "frequency_penalty": sampling.frequency_penalty or 0.0,
        }

    def running(self) -> dict[str, Any]:
        """Return the response before there is anything of it."""
        return self._object("in_progress")

    def complete(self, answer: Answered) -> dict[str, Any]:
        """Return the response; the same one however often it is asked for."""
        if self._final is None:
            cut = answer.finished.reason == "length"
            self._final = self._object(
                "incomplete" if cut else "completed",
                output=self.items(answer.parts, cut=cut),
                completed_at=None if cut else int(time.time()),
                incomplete_details={"reason": "max_output_tokens"} if cut else None,
                usage=self._usage(answer.finished.usage),
            )
        return self._final

    def failed(self, parts: Sequence[Part], error: LmctlError) -> dict[str, Any]:
        """Return the response as far as it came."""
        told = {"code": code_of(error) or "server_error", "message": message_of(error)}
        return self._object("failed", output=self.items(parts), error=told)

    def items(self, parts: Sequence[Part], *, cut: bool = False) -> list[dict[str, Any]]:
        """Return output items; text that was cut is not complete, and nothing follows it."""
        lists = self.lists()
        items = [
            self.item(index, part, "completed") for index, part in enumerate(parts, len(lists))
        ]
        if cut and parts and isinstance(parts[-1], (Said, Thought)):
            items[-1]["status"] = "incomplete"
        return lists + items

    def lists(self) -> list[dict[str, Any]]:
        """Return the items that say what each tool server offers."""
        offered = self._toolbox.lists if self._toolbox is not None else []
        return [
            self._item("mcp_list_tools", index)
            | {
                "server_label": server.provider.label,
                "tools": [_listed(each) for each in tools],
                "error": None,
            }
            for index, (server, tools) in enumerate(offered)
        ]

    def item(self, index: int, part: Part, status: str) -> dict[str, Any]:
        """Return the output item at an index."""
        match part:
            case Said():
                more = {"role": "assistant", "content": [text_part(part)]}
                return self._item("message", index) | {"status": status} | more
            case Thought(text=text):
                content = [{"type": "reasoning_text", "text": text}]
                hidden = {"content": content, "encrypted_content": None, "status": status}
                return self._item("reasoning", index) | {"summary": []} | hidden
            case ToolOutcome():
                return self._mcp_call(index, part.call) | {
                    "output": None if part.failed else part.reason,
                    "error": part.reason if part.failed else None,
                    "status": "failed" if part.failed and status == "completed" else status,
                }
            case ToolCall() if self.called_here(part.name):
                return self._mcp_call(index, part) | {
                    "output": None,
                    "error": None,
                    "status": status,
                }
            case ToolCall(id=call, name=name, arguments=arguments):
                told = {"call_id": CALL_PREFIX + call, "name": name, "arguments": arguments}
                return self._item("function_call", index) | told | {"status": status}

    def called_here(self, name: str) -> bool:
        """Say whether a call of this name is made here, not by the client."""
        return self._toolbox is not None and self._toolbox.answers(name)

    def _mcp_call(self, index: int, call: ToolCall) -> dict[str, Any]:
        offered = self._toolbox.find(call.name) if self._toolbox is not None else None
        return self._item("mcp_call", index) | {
            "server_label": offered.server.provider.label if offered else "",
            "name": offered.tool.name if offered else call.name,
            "arguments": call.arguments,
        }

    def _item(self, kind: str, index: int) -> dict[str, Any]:
        number = self.id.removeprefix("resp_")[:44]
        return {"id": f"{_PREFIXES[kind]}_{number}{index:04x}", "type": kind}

    def _usage(self, usage: Usage) -> dict[str, Any]:
        weight = self._toolbox.weight if self._toolbox is not None else None
        tools = {"tool_definition_tokens": weight.tokens} if weight is not None else {}
        return {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens} | tools,
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }

    def _object(self, status: str, **more: Any) -> dict[str, Any]:
        told = {
            "id": self.id,
            "object": "response",
            "created_at": self._made,
            "status": status,
            "model": self.model,
            "output": [],
        }
        whole = self._echo | told | more
        return {name: whole.get(name) for name in _ORDER}


def text_part(said: Said) -> dict[str, Any]:
    """Return text as a part of a message."""
    told = {"type": "output_text", "text": said.text, "annotations": []}
    return told | {"logprobs": token_logprobs(said.tokens)}


def _listed(tool: ToolOffer) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "annotations": tool.annotations or None,
    }
