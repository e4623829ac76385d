"""Anthropic's dialect over a real runner socket."""

import pytest

from lmctl.base.talk import Message, Reasoning, Tool, ToolCall, ToolChoice

SAY = {"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "one two"}]}


async def ask(server, path="/v1/messages", **body):
    return await server.ask("POST", path, json_body=SAY | body)


async def test_a_message_is_answered_whole(server, runner):
    answer = await ask(server)

    assert answer.status == 200
    assert answer.json["id"].startswith("msg_")
    assert answer.json | {"id": ""} == {
        "id": "",
        "type": "message",
        "role": "assistant",
        "model": "chat",
        "content": [{"type": "text", "text": "one two"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 2,
        },
    }


async def test_a_streamed_message_has_every_event_in_order_and_no_done(server, runner):
    answer = await server.ask("POST", "/v1/messages?beta=true", json_body=SAY | {"stream": True})

    assert [each["type"] for each in answer.events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert b"[DONE]" not in answer.body


async def test_a_runner_that_dies_ends_the_stream_with_an_error(server, runner):
    runner.behave(die_after=1)
    answer = await ask(server, stream=True)
    assert answer.events[-1]["type"] == "error"
    assert answer.events[-1]["error"]["type"] == "api_error"


async def test_blocks_become_turns(server, runner):
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "add", "cache_control": {}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "tool_use", "id": "toolu_123456789", "name": "add", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_123456789", "content": "2"},
                {"type": "text", "text": "so?"},
            ],
        },
    ]
    await ask(
        server,
        messages=turns,
        system=[{"type": "text", "text": "be brief"}],
        thinking={"type": "disabled"},
        stop_sequences=["END"],
    )

    [call] = runner.calls
    assert call.input.messages == (
        Message("system", "be brief"),
        Message("user", "add"),
        Message("assistant", reasoning="hm", tool_calls=(ToolCall("123456789", "add", '{"a":1}'),)),
        Message("tool", "2", tool_call_id="123456789"),
        Message("user", "so?"),
    )
    assert call.input.reasoning == Reasoning(enabled=False)
    assert (call.stop, call.max_tokens) == (("END",), 9)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        pytest.param({"max_tokens": None}, "max_tokens", id="no limit"),
        pytest.param({"tools": [{}]}, "`tools[0].name` is required", id="nameless tool"),
        pytest.param(
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "runs at Anthropic",
            id="server tool",
        ),
        pytest.param(
            {"tools": [{"name": "add", "input_schema": []}]}, "an object", id="tool schema"
        ),
        pytest.param({"tool_choice": {"type": "any"}}, "there is none", id="no tool"),
        pytest.param({"tool_choice": "auto"}, "tool_choice.type", id="choice"),
        pytest.param({"thinking": {"type": "much"}}, "budget_tokens", id="thinking"),
        pytest.param(
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}
                ]
            },
            "not fetched",
            id="remote image",
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "film"}]}]},
            "messages[0].content[0]",
            id="unknown block",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_in_anthropics_shape(server, runner, body, word):
    answer = await ask(server, **body)
    assert answer.status == 400
    assert answer.json["type"] == "error"
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert word in answer.json["error"]["message"]
    assert not runner.calls


async def test_tokens_are_counted_without_generating(server, runner):
    answer = await ask(server, "/v1/messages/count_tokens", system="be very brief")
    assert answer.json == {"input_tokens": 5}
    assert not runner.calls


async def test_tools_and_choice_reach_the_runner(server, runner):
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    await ask(
        server,
        tools=[
            {"name": "add", "description": "Adds.", "input_schema": schema},
            {"type": "custom", "name": "now", "cache_control": {"type": "ephemeral"}},
        ],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 2000},
    )

    (call,) = runner.calls
    assert call.input.tools == (Tool("add", "Adds.", schema), Tool("now"))
    assert call.input.tool_choice == ToolChoice(parallel=False)
    assert call.input.reasoning == Reasoning(enabled=True, budget=2000)


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "add"}, ToolChoice("required", "add")),
    ],
    ids=["any", "tool"],
)
async def test_a_choice_that_must_be_met_reaches_the_runner(server, runner, asked, choice):
    await ask(server, tools=[{"name": "add"}], tool_choice=asked)

    assert runner.calls[0].input.tool_choice == choice


@pytest.mark.parametrize(
    ("thinking", "wanted"),
    [
        (None, Reasoning(effort="low")),
        ({"type": "enabled", "budget_tokens": 5}, Reasoning(enabled=True, effort="low", budget=5)),
        ({"type": "disabled"}, Reasoning(enabled=False)),
        ({"type": "between_tools"}, Reasoning(effort="low")),
    ],
    ids=["open", "enabled", "disabled", "between tools"],
)
async def test_effort_reaches_the_runner(server, runner, thinking, wanted):
    await ask(server, output_config={"effort": "low"}, thinking=thinking)

    assert runner.calls[0].input.reasoning == wanted
