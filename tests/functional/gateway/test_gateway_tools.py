"""How tools of a chat completion reach the runner."""

import pytest

from lmctl.base.talk import Message, Tool, ToolCall, ToolChoice

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add numbers.",
        "parameters": {"type": "object", "$defs": {"n": {"type": "number"}}},
        "strict": True,
    },
}
NOW = {"type": "function", "function": {"name": "now"}}


async def test_tools_and_choice_reach_the_runner(server, runner):
    await server.chat(tools=[ADD, NOW], tool_choice="none", parallel_tool_calls=False)

    (call,) = runner.calls
    assert call.input.tools == (
        Tool("add", "Add numbers.", {"type": "object", "$defs": {"n": {"type": "number"}}}, True),
        Tool("now"),
    )
    assert call.input.tool_choice == ToolChoice("none", parallel=False)


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "now"}}, ToolChoice("required", "now", False)),
    ],
    ids=["required", "named"],
)
async def test_a_choice_that_must_be_met_reaches_the_runner(server, runner, asked, choice):
    await server.chat(tools=[ADD, NOW], tool_choice=asked)

    assert runner.calls[0].input.tool_choice == choice


async def test_turns_with_calls_and_results_reach_the_runner(server, runner):
    function = {"name": "add", "arguments": '{"a": 1}'}
    await server.chat(
        messages=[
            {"role": "user", "content": "1 and 1?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "123456789", "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": "123456789", "content": "2"},
        ]
    )

    (call,) = runner.calls
    assert call.input.messages[1:] == (
        Message("assistant", "", tool_calls=(ToolCall("123456789", "add", '{"a": 1}'),)),
        Message("tool", "2", tool_call_id="123456789"),
    )


async def test_the_way_names_are_told_is_a_setting(box, server, runner):
    box.serve(box.route(operation={"llm.prediction.toolNaming": "snakeCase"}))

    await server.chat(tools=[NOW])

    assert runner.calls[0].input.tool_naming == "snakeCase"
