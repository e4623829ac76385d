"""Streams over generated conversations, from what a model writes to the last event.

A real runner's echo engine says what a test makes it say: thoughts, calls, broken and cut ones. Each
kind of stream is read by a client that refuses whatever its grammar does not allow, over 2,000
conversations (`LMCTL_STREAMS` says how many); one in ten is asked for whole too, and is the same.
"""

import json

import pytest
import structlog

from tests.support.chat_stream import chat_of, completion_of
from tests.support.generated import NOTHING, TOOLS, through
from tests.support.messages_stream import message_of
from tests.support.native_stream import result_of
from tests.support.responses_stream import Client
from tests.support.spoken import echo_runner
from tests.support.sse_frames import frames

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def spoken(box, server):
    with structlog.testing.capture_logs():  # thousands of lines that nobody reads
        async with echo_runner(box, parallel=8, bytes_per_token=11):
            yield server


async def asked(spoken, path, body):
    answer = await spoken.ask("POST", path, json_body={"model": "chat", **body})
    assert answer.status == 200, answer.body
    return answer


async def test_chats(spoken):
    async def converse(told):
        messages = [{"role": "system", "content": told.system}] if told.system else []
        for said in told.turns:
            messages.append({"role": "user", "content": said})
            body = {"messages": messages, **_chat(told)}
            more = {"stream": True, "stream_options": {"include_usage": told.usage}}
            answer = await asked(spoken, "/v1/chat/completions", body | more)
            whole = chat_of(answer.data, usage=told.usage)
            assert set(whole.choices) == set(range(told.choices))
            first = whole.choices[0]
            assert not told.plain or first.text == said
            assert not told.must or first.calls or first.reason == "length"
            if told.compared:
                other = await asked(spoken, "/v1/chat/completions", body)
                assert _told(whole, told.usage) == _whole(other.json, told.usage)
            messages += _remembered(first)

    await through(converse)


async def test_completions(spoken):
    async def converse(told):
        limit = {"max_tokens": told.limit} if told.limit else {}
        sure = {"logprobs": told.sure} if told.sure is not None else {}
        body = {"prompt": list(told.turns), "n": told.choices, **limit, **sure}
        body["stop"] = list(told.stop)
        more = {"stream": True, "stream_options": {"include_usage": told.usage}}
        answer = await asked(spoken, "/v1/completions", body | more)
        whole = completion_of(answer.data, usage=told.usage)
        assert set(whole.choices) == set(range(told.choices * len(told.turns)))
        for index, choice in whole.choices.items():
            said = told.turns[index // told.choices]
            assert said.startswith(choice.text)
            assert told.limit or told.stop or choice.text == said

    await through(converse)


async def test_responses(spoken):
    async def converse(told):
        previous = None
        for said in told.turns:
            body = {"input": said, "instructions": told.system, "previous_response_id": previous}
            more = _limits(told, "max_output_tokens") | {"stream": True}
            if told.tools:
                more["tools"] = [{"type": "function", "name": name} for name in TOOLS]
            if told.sure is not None:
                more["include"] = ["message.output_text.logprobs"]
            answer = await asked(spoken, "/v1/responses", body | more)
            client = Client()
            last = client.read(frames(answer.body))
            assert (client.items, client.failure) == (last["output"], None)
            previous = last["id"]
        if told.compared:
            assert (await spoken.get(f"/v1/responses/{previous}")).json == last

    await through(converse)


async def test_messages(spoken):
    async def converse(told):
        messages = []
        for said in told.turns:
            messages.append({"role": "user", "content": said})
            body = {"messages": messages, "max_tokens": told.limit or 1000}
            body |= {"system": told.system, "stop_sequences": list(told.stop)}
            if told.tools:
                body["tools"] = [{"name": name, "input_schema": NOTHING} for name in TOOLS]
                body["tool_choice"] = {"type": "any" if told.must else "auto"}
            answer = await asked(spoken, "/v1/messages", body | {"stream": True})
            message = message_of(frames(answer.body))
            if told.compared:
                other = (await asked(spoken, "/v1/messages", body)).json
                assert _without_ids(message) == _without_ids(other)
            messages += _followed(message)

    await through(converse)


async def test_native_chats(spoken):
    async def converse(told):
        more = {"system_prompt": told.system} if told.system else {}
        for said in told.turns:
            body = {"input": said, "stream": True, **_limits(told, "max_output_tokens")}
            answer = await asked(spoken, "/api/v1/chat", body | more)
            output, result, failed = result_of(frames(answer.body))
            assert (output, failed) == (result["output"], None)
            more = {"previous_response_id": result["response_id"]}

    await through(converse)


def _limits(told, name):
    return {name: told.limit} if told.limit else {}


def _chat(told):
    body = {"n": told.choices, "stop": list(told.stop), **_limits(told, "max_tokens")}
    if told.tools:
        functions = [{"name": name, "parameters": NOTHING} for name in TOOLS]
        body["tools"] = [{"type": "function", "function": each} for each in functions]
        body["tool_choice"] = "required" if told.must else "auto"
    if told.document:
        body["response_format"] = {"type": "json_object"}
    if told.sure is not None:
        body |= {"logprobs": True, "top_logprobs": told.sure}
    return body


def _remembered(choice):
    """Return the turns a client keeps of an answer, with a result of each call."""
    calls = [
        {
            "id": each["id"],
            "type": "function",
            "function": {"name": each["name"], "arguments": each["arguments"]},
        }
        for each in choice.calls
    ]
    turn = {"role": "assistant", "content": choice.text, "reasoning_content": choice.thought}
    results = [
        {"role": "tool", "tool_call_id": each["id"], "content": "done"} for each in choice.calls
    ]
    return [turn | ({"tool_calls": calls} if calls else {}), *results]


def _followed(message):
    """Return the turns Anthropic's client sends after a message, with a result of each call."""
    calls = [each["id"] for each in message["content"] if each["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": each, "content": "done"} for each in calls]
    turn = {"role": "assistant", "content": message["content"] or "nothing"}
    return [turn, {"role": "user", "content": results}] if calls else [turn]


def _told(whole, usage):
    """Return what a stream told in the words of `_whole`."""
    found = [
        (
            each.text,
            each.thought,
            [(call["name"], call["arguments"]) for call in each.calls],
            each.sure,
            each.reason,
        )
        for _, each in sorted(whole.choices.items())
    ]
    return found, whole.usage["completion_tokens"] if usage else None


def _whole(answer, usage):
    found = []
    for each in answer["choices"]:
        message = each["message"]
        calls = [call["function"] for call in message["tool_calls"]]
        found.append(
            (
                message["content"] or "",
                message.get("reasoning_content", ""),
                [(call["name"], call["arguments"]) for call in calls],
                each["logprobs"]["content"] if each["logprobs"] else [],
                each["finish_reason"],
            )
        )
    return found, answer["usage"]["completion_tokens"] if usage else None


def _without_ids(message):
    """Return a message without what differs between two that say the same."""
    content = [{name: each[name] for name in each if name != "id"} for each in message["content"]]
    counts = {"output_tokens": message["usage"]["output_tokens"]}
    return json.loads(json.dumps(message | {"id": "", "content": content, "usage": counts}))


async def test_a_turn_pays_only_for_what_is_new(spoken):
    said = " ".join(f"word{number}" for number in range(60))
    first = await asked(spoken, "/v1/responses", {"input": said})
    body = {"input": "so?", "previous_response_id": first.json["id"]}
    usage = (await asked(spoken, "/v1/responses", body)).json["usage"]
    before = first.json["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] > before["input_tokens"] * 0.9
    assert usage["input_tokens"] > before["total_tokens"]


async def test_a_long_prompt_tells_how_far_it_is_read(spoken):
    said = " ".join(f"word{number}" for number in range(1500))
    body = {"input": said, "stream": True, "max_output_tokens": 1}
    told = frames((await asked(spoken, "/api/v1/chat", body)).body)
    shares = [each["progress"] for each in told if each["type"].endswith(".progress")]
    assert len(shares) > 1
    assert shares == sorted(set(shares))
    assert shares[-1] <= 1
