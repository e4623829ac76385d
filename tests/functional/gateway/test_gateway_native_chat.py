"""The native chat over a real runner socket: turns that are remembered, branches, refusals."""

import sqlite3

import pytest

from lmctl.base.talk import (
    Finished,
    Message,
    PromptProgress,
    Reasoning,
    ReasoningDelta,
    Started,
    TextDelta,
    Usage,
)
from lmctl.planning.known_models import KnownModel, ModelInstance
from tests.support.sse_frames import frames

ASK = {"model": "chat", "input": "one two"}
THINKS = (
    PromptProgress(4, 9),
    Started(9),
    ReasoningDelta("hm"),
    TextDelta("three"),
    Finished("stop", Usage(9, 2, reasoning_tokens=1), time_to_first_token=0.5),
)


async def chat(server, **body):
    return await server.ask("POST", "/api/v1/chat", json_body=ASK | body)


def asked(runner):
    return [each.input.messages for each in runner.calls]


async def test_a_chat_is_answered_whole_and_kept(server, runner):
    answer = await chat(server)
    assert answer.status == 200
    kept = answer.json.pop("response_id")
    assert kept.startswith("resp_")
    assert len(kept) == 5 + 48
    assert answer.json == {
        "model_instance_id": "chat",
        "output": [{"type": "message", "content": "one two"}],
        "stats": {
            "input_tokens": 7,
            "total_output_tokens": 2,
            "reasoning_output_tokens": 0,
            "tokens_per_second": 0.0,
            "time_to_first_token_seconds": 0.0,
        },
    } | {"response_id": kept}


async def test_a_stream_tells_of_every_stage_and_ends_with_the_whole(server, runner):
    runner.behave(events=THINKS)
    answer = await chat(server, stream=True)
    told = frames(answer.body)
    assert [each["type"] for each in told] == [
        "chat.start",
        "prompt_processing.start",
        "prompt_processing.progress",
        "prompt_processing.end",
        "reasoning.start",
        "reasoning.delta",
        "reasoning.end",
        "message.start",
        "message.delta",
        "message.end",
        "chat.end",
    ]
    assert told[-1]["result"]["response_id"].startswith("resp_")
    assert runner.calls[0].progress
    assert b"[DONE]" not in answer.body


async def test_a_turn_goes_on_and_branches_from_any_earlier_one(server, runner):
    first = (await chat(server, input="a")).json["response_id"]
    for word in ("b", "c"):
        await chat(server, input=word, previous_response_id=first)
    past = (Message("user", "a"), Message("assistant", "a"))
    assert asked(runner)[1:] == [
        (*past, Message("user", "b")),
        (*past, Message("user", "c")),
    ]


async def test_a_new_system_prompt_replaces_the_one_at_the_head(server, runner):
    first = await chat(server, system_prompt="be brief")
    then = {"previous_response_id": first.json["response_id"]}
    await chat(server, **then)
    await chat(server, **then, system_prompt="be long")
    systems = [
        [each.content for each in messages if each.role == "system"] for messages in asked(runner)
    ]
    assert systems == [["be brief"], ["be brief"], ["be long"]]
    assert all(messages[0].role == "system" for messages in asked(runner))


async def test_a_streamed_turn_can_be_gone_on_from(server, runner):
    runner.behave(events=THINKS)
    told = frames((await chat(server, stream=True)).body)
    await chat(server, input="so?", previous_response_id=told[-1]["result"]["response_id"])
    assert asked(runner)[1] == (
        Message("user", "one two"),
        Message("assistant", "three", reasoning="hm"),
        Message("user", "so?"),
    )


async def test_what_is_not_to_be_stored_is_not(server, runner, box):
    first = (await chat(server)).json["response_id"]
    answer = await chat(server, store=False, previous_response_id=first)
    assert "response_id" not in answer.json
    rows = sqlite3.connect(box.folder / "conversations.db").execute("SELECT count(*) FROM turns")
    assert rows.fetchone() == (1,)


async def test_a_chat_that_breaks_off_says_so_and_is_not_kept(server, runner):
    runner.behave(fail_after=1)
    told = frames((await chat(server, stream=True)).body)
    assert [each["type"] for each in told][-4:] == [
        "message.delta",
        "message.end",
        "error",
        "chat.end",
    ]
    assert "response_id" not in told[-1]["result"]
    assert told[-1]["result"]["output"] == [{"type": "message", "content": "one "}]


async def test_items_of_text_make_one_turn(server, runner):
    items = [{"type": "text", "content": "one "}, {"type": "message", "content": "two"}]
    await chat(server, input=items)
    assert asked(runner) == [(Message("user", "one two"),)]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        pytest.param({"model": "no"}, 404, "model_not_found", "model", id="unknown model"),
        pytest.param({"input": None}, 400, "invalid_union", "input", id="no input"),
        pytest.param({"input": [{"type": "film"}]}, 400, "invalid_union", "input", id="item"),
        pytest.param({"ttl": 5}, 400, "unrecognized_keys", None, id="unknown key"),
        pytest.param({"temperature": 2}, 400, "invalid_value", "temperature", id="range"),
        pytest.param({"reasoning": "high"}, 400, "invalid_value", "reasoning", id="reasoning"),
        pytest.param({"integrations": ["mcp/a"]}, 403, None, "integrations", id="tools"),
        pytest.param(
            {"previous_response_id": "resp_1"},
            404,
            "previous_response_not_found",
            "previous_response_id",
            id="unknown past",
        ),
        pytest.param(
            {"input": [{"type": "image", "data_url": "data:"}]},
            400,
            None,
            "input[0].data_url",
            id="image",
        ),
    ],
)
async def test_what_is_wrong_is_told_in_the_native_shape(server, runner, body, status, code, param):
    answer = await chat(server, **body)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request"
    assert not runner.calls


async def test_a_missing_field_is_named(server, runner):
    answer = await server.ask("POST", "/api/v1/chat", json_body={"input": "a"})
    error = answer.json["error"]
    assert (error["code"], error["param"]) == ("missing_required_parameter", "model")


async def test_a_model_thinks_as_much_as_it_can_be_told_to(server, runner, box):
    instance = ModelInstance("chat", "chat", True, "llama.cpp", "1", 4096, 1, 512, None, True)
    box.models(KnownModel("acme/tiny", reasoning=("off", "on"), instances=(instance,)))
    await chat(server, reasoning="off")
    await chat(server, reasoning="on")
    assert [each.input.reasoning for each in runner.calls] == [
        Reasoning(enabled=False),
        Reasoning(enabled=True),
    ]
    answer = await chat(server, reasoning="high")
    assert "supported settings: off, on" in answer.json["error"]["message"]


async def test_a_body_that_is_no_json_says_so(server, runner):
    answer = await server.ask("POST", "/api/v1/chat", body=b"{nope")
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_json")
    assert answer.json["error"]["type"] == "invalid_request"
