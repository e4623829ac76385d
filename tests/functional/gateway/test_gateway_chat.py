"""POST /v1/chat/completions as clients see it: real app, real socket, tiny runner."""

import asyncio
import re

import pytest

from lmctl.planning.surface import Limits
from lmctl.runner.wire import Trouble


async def test_a_whole_answer_has_every_key_in_the_order_of_the_contract(server, runner):
    answer = await server.chat(model="chat")

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    body = answer.json
    assert list(body) == [
        "id", "object", "created", "model", "choices", "usage", "stats", "system_fingerprint",
    ]  # fmt: skip
    assert re.fullmatch(r"chatcmpl-[0-9a-z]{21}", body["id"])
    assert body["object"] == "chat.completion"
    assert body["model"] == body["system_fingerprint"] == "chat"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "one two three", "tool_calls": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert body["stats"] == {}


async def test_a_stream_sends_role_words_finish_and_done_in_that_order(server, runner):
    answer = await server.chat(stream=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert [each["choices"][0]["delta"] for each in answer.events] == [
        {"role": "assistant", "content": "one "},
        {"content": "two "},
        {"content": "three"},
        {},
    ]
    assert [each["choices"][0]["finish_reason"] for each in answer.events] == [None] * 3 + ["stop"]
    assert answer.data[-1] == "[DONE]"
    heads = {(e["id"], e["object"], e["model"], e["system_fingerprint"]) for e in answer.events}
    assert len(heads) == 1
    assert heads.pop()[1:] == ("chat.completion.chunk", "chat", "chat")


async def test_the_usage_chunk_comes_last_and_only_when_asked_for(server, runner):
    answer = await server.chat(stream=True, stream_options={"include_usage": True})

    *chunks, last = answer.events
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 10
    assert not any("usage" in each for each in chunks)


async def test_an_answer_without_a_word_still_streams_its_role(server, runner):
    runner.behave(text="")

    answer = await server.chat(stream=True)

    assert [each["choices"][0]["delta"] for each in answer.events] == [
        {"role": "assistant", "content": ""},
        {},
    ]


async def test_text_that_json_must_escape_survives_streaming(server, runner):
    runner.behave(text='"quoted"\n\n\\ é 漢 \x00 \u2028')

    answer = await server.chat(stream=True)

    said = "".join(each["choices"][0]["delta"].get("content", "") for each in answer.events)
    assert said == '"quoted"\n\n\\ é 漢 \x00 \u2028'


async def test_a_runner_that_dies_mid_stream_ends_it_with_one_error_and_no_done(server, runner):
    runner.behave(die_after=1)

    answer = await server.chat(stream=True)

    assert answer.status == 200
    assert answer.events[0]["choices"][0]["delta"]["content"] == "one "
    assert list(answer.events[-1]) == ["error"]
    assert answer.events[-1]["error"]["code"] == "engine_failed"
    assert "[DONE]" not in answer.data


async def test_an_engine_that_fails_in_a_whole_answer_is_a_500_with_its_words(server, runner):
    runner.behave(fail_after=2)

    answer = await server.chat()

    assert answer.status == 500
    assert "out of memory in step 3" in answer.json["error"]["message"]


async def test_settings_of_the_request_beat_the_route_and_the_route_beats_the_defaults(
    box, server, runner
):
    prefix = "llm.prediction."
    operation = {prefix + "temperature": 0.3, prefix + "topPSampling": None, prefix + "seed": 9}
    box.serve(box.route(operation=operation))

    await server.chat(temperature=0, stop="END", max_tokens=2, logit_bias={"5": -100})

    (call,) = runner.calls
    assert call.sampling.temperature == 0
    assert call.sampling.top_p is None
    assert call.sampling.seed == 9
    assert call.sampling.min_p == 0.05
    assert call.sampling.logit_bias == ((5, -100.0),)
    assert call.stop == ("END",)
    assert call.max_tokens == 2


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        pytest.param({}, None, id="silent"),
        pytest.param({"max_tokens": -1}, None, id="minus one is no limit"),
        pytest.param({"max_tokens": 3}, 3, id="a number"),
        pytest.param({"max_completion_tokens": 4, "max_tokens": 3}, 4, id="the successor wins"),
    ],
)
async def test_the_token_limit(server, runner, body, limit):
    await server.chat(**body)

    assert runner.calls[0].max_tokens == limit


async def test_the_operations_system_prompt_is_used_only_when_the_request_brings_none(
    box, server, runner
):
    box.serve(box.route(operation={"llm.prediction.systemPrompt": "Be terse."}))

    await server.chat()
    own = [{"role": "developer", "content": "Be long."}, {"role": "user", "content": "hi"}]
    await server.chat(messages=own)

    first, second = (call.input.messages for call in runner.calls)
    assert [(each.role, each.content) for each in first] == [
        ("system", "Be terse."),
        ("user", "one two three"),
    ]
    assert [(each.role, each.content) for each in second] == [
        ("system", "Be long."),
        ("user", "hi"),
    ]


async def test_text_parts_are_joined(server, runner):
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]

    answer = await server.chat(messages=[{"role": "user", "content": parts}])

    assert answer.json["choices"][0]["message"]["content"] == "a b"


async def test_a_client_that_leaves_during_silence_frees_the_runner_at_once(server, runner):
    runner.behave(hold=True)
    leave = asyncio.Event()

    asking = asyncio.create_task(server.chat(stream=True, hang_up=leave))
    await asyncio.wait_for(runner.asked.wait(), 5)
    leave.set()

    await asyncio.wait_for(runner.hung_up.wait(), 5)
    await asking


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_in_the_middle_of_an_answer_frees_the_runner(
    server, runner, stream
):
    runner.behave(hold_after=1)
    leave = asyncio.Event()

    asking = asyncio.create_task(server.chat(stream=stream, hang_up=leave))
    await asyncio.wait_for(runner.said.wait(), 5)
    leave.set()

    await asyncio.wait_for(runner.hung_up.wait(), 5)
    await asking


async def test_a_silent_stream_is_pinged_between_whole_events(server, runner):
    runner.behave(hold_after=1)
    heard = asyncio.Queue()

    asking = asyncio.create_task(server.chat(stream=True, heard=heard))
    async with asyncio.timeout(5):
        while await heard.get() != b": ping\n\n":
            pass
    runner.release.set()
    answer = await asking

    assert answer.pieces[0].startswith(b"data: ")
    assert answer.data[-1] == "[DONE]"
    assert all(each.endswith(b"\n\n") for each in answer.pieces)


async def test_a_stream_that_is_slow_to_begin_gets_its_head_and_pings(box, server, runner):
    box.serve(box.route(), limits=Limits(queue_deadline=0))
    runner.behave(hold=True)
    heard = asyncio.Queue()

    asking = asyncio.create_task(server.chat(stream=True, heard=heard))
    async with asyncio.timeout(5):
        first = await heard.get()
    runner.release.set()
    answer = await asking

    assert first == b": ping\n\n"
    assert answer.data[-1] == "[DONE]"


async def test_trouble_after_the_head_is_an_event(box, server, runner):
    box.serve(box.route(), limits=Limits(queue_deadline=0))
    runner.behave(hold=True, fail_after=0)
    heard = asyncio.Queue()

    asking = asyncio.create_task(server.chat(stream=True, heard=heard))
    async with asyncio.timeout(5):
        await heard.get()
    runner.release.set()

    assert "step 3" in (await asking).events[0]["error"]["message"]


async def test_a_full_queue_is_a_429_that_says_when_to_come_back(server, runner):
    runner.behave(refuse=Trouble("busy", "the queue of chat is full", retry_after=2.5))

    answer = await server.chat(stream=True)

    assert answer.status == 429
    assert answer.headers["retry-after"] == "3"
    assert answer.json["error"]["code"] == "queue_full"


async def test_what_the_runner_finds_wrong_with_the_request_is_a_400(server, runner):
    runner.behave(refuse=Trouble("bad_request", "the prompt is too long", param="messages"))

    answer = await server.chat(stream=True)

    assert answer.status == 400
    assert answer.json["error"]["param"] == "messages"


async def test_an_effort_of_another_dialect_is_a_wrong_value(server, runner):
    answer = await server.chat(reasoning_effort="on")
    error = answer.json["error"]
    assert (answer.status, error["code"], error["param"]) == (
        400,
        "invalid_value",
        "reasoning_effort",
    )
