"""Clients of OpenAI's two older streams that refuse whatever is out of order (contract 1.14, 1.17)."""

import json
from dataclasses import dataclass, field


@dataclass
class Choice:
    """One answer, put together from its chunks."""

    role: str | None = None
    text: str = ""
    thought: str = ""
    calls: list[dict[str, str]] = field(default_factory=list)
    sure: list[dict] = field(default_factory=list)
    reason: str | None = None


@dataclass
class Whole:
    """All that a stream told."""

    choices: dict[int, Choice]
    usage: dict | None
    error: dict | None


def chat_of(data: list[str], *, usage: bool) -> Whole:
    """Read the `data` lines of a chat that is streamed."""
    return _read(data, "chat.completion.chunk", _chat_chunk, usage=usage)


def completion_of(data: list[str], *, usage: bool) -> Whole:
    """Read the `data` lines of a completion that is streamed."""
    return _read(data, "text_completion", _text_chunk, usage=usage)


def _read(data, kind, take, *, usage):
    """Read chunks that all name the same answer; then counts, if asked for; then the end or an error."""
    whole, common = Whole({}, None, None), None
    assert data
    for number, line in enumerate(data):
        if line == "[DONE]":
            assert number == len(data) - 1
            break
        chunk = json.loads(line)
        assert whole.usage is None
        if "error" in chunk:
            assert number == len(data) - 1
            whole.error = chunk["error"]
            return whole
        told = {each: chunk[each] for each in ("id", "object", "created", "model")}
        common = common or told
        assert told == common
        assert told["object"] == kind
        _chunk(whole, chunk, take, usage=usage)
    assert data[-1] == "[DONE]"
    assert whole.choices
    assert all(each.reason for each in whole.choices.values())
    assert (whole.usage is not None) == usage
    return whole


def _chunk(whole, chunk, take, *, usage):
    if not chunk["choices"]:
        assert usage
        assert all(each.reason for each in whole.choices.values())
        whole.usage = counts = chunk["usage"]
        thought = counts["completion_tokens_details"]["reasoning_tokens"]
        assert 0 <= thought <= counts["completion_tokens"]
        return
    assert chunk.get("usage") is None
    (told,) = chunk["choices"]
    choice = whole.choices.setdefault(told["index"], Choice())
    assert choice.reason is None, "something after the finish reason"
    take(choice, told)
    choice.reason = told["finish_reason"]


def _chat_chunk(choice, told):
    delta = dict(told["delta"])
    ended = told["finish_reason"] is not None
    assert ("role" in delta) == (choice.role is None)
    choice.role = delta.pop("role", choice.role)
    assert choice.role == "assistant"
    assert len(delta) == (0 if ended else 1)
    choice.text += delta.pop("content", "")
    choice.thought += delta.pop("reasoning_content", "")
    for call in delta.pop("tool_calls", ()):
        _call(choice, call)
    assert delta == {}
    if told["logprobs"]:
        choice.sure += told["logprobs"]["content"]
    if ended:
        assert told["finish_reason"] in {"stop", "length", "tool_calls"}
        assert told["finish_reason"] != "tool_calls" or choice.calls


def _call(choice, told):
    """Take the head of a new call, or a piece of the arguments of the last one."""
    function = told["function"]
    if "id" in told:
        assert told["index"] == len(choice.calls)
        assert told["type"] == "function"
        assert function["name"]
        assert function["arguments"] == ""
        assert told["id"] not in {each["id"] for each in choice.calls}
        choice.calls.append({"id": told["id"], "name": function["name"], "arguments": ""})
        return
    assert told["index"] == len(choice.calls) - 1, "arguments of a call that is not the last"
    assert set(told) == {"index", "function"}
    assert set(function) == {"arguments"}
    choice.calls[-1]["arguments"] += function["arguments"]


def _text_chunk(choice, told):
    ended = told["finish_reason"] is not None
    assert not (ended and told["text"])
    if sure := told["logprobs"]:
        assert sure["text_offset"][0] == len(choice.text)
        choice.sure += sure["tokens"]
    choice.text += told["text"]
    assert told["finish_reason"] in {None, "stop", "length"}
