"""Tool calls through the official openai client, from what a model writes to what it reads next."""

import json

import pytest

from tests.contract.conftest import running_gateway
from tests.support.spoken import echo_runner

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get weather.now",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "clock"}},
]
TWO_CALLS = (
    "I look.\n"
    '[TOOL_REQUEST]{"name": "getweathernow", "arguments": {"city": "Paris"}}[END_TOOL_REQUEST]\n'
    '[TOOL_REQUEST]{"name": "clock", "arguments": {}}[END_TOOL_REQUEST]'
)


@pytest.fixture
async def spoken(box):
    async with (
        echo_runner(box, bytes_per_token=3),
        running_gateway(box) as gateway,
        gateway.client() as client,
    ):
        yield client.chat.completions


def said(text):
    return {"model": "chat", "messages": [{"role": "user", "content": text}], "tools": TOOLS}


async def test_calls_whole(spoken):
    answer = await spoken.create(**said(TWO_CALLS))

    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look.\n"
    calls = [(each.function.name, each.function.arguments) for each in choice.message.tool_calls]
    assert calls == [("get weather.now", '{"city": "Paris"}'), ("clock", "{}")]
    assert all(len(each.id) == 9 and each.id.isdecimal() for each in choice.message.tool_calls)

    first_alone = await spoken.create(**said(TWO_CALLS), parallel_tool_calls=False)
    (call,) = first_alone.choices[0].message.tool_calls
    assert call.function.name == "get weather.now"


async def test_calls_streamed(spoken):
    async with spoken.stream(**said(TWO_CALLS)) as stream:
        events = [event async for event in stream]
        whole = await stream.get_final_completion()

    pieces = [each for each in events if each.type == "tool_calls.function.arguments.delta"]
    first = "".join(each.arguments_delta for each in pieces if each.index == 0)
    assert first == '{"city": "Paris"}'
    (choice,) = whole.choices
    assert choice.finish_reason == "tool_calls"
    calls = [(each.function.name, each.function.arguments) for each in choice.message.tool_calls]
    assert calls == [("get weather.now", '{"city": "Paris"}'), ("clock", "{}")]

    stream = await spoken.create(**said(TWO_CALLS), stream=True)
    deltas = [
        call
        async for chunk in stream
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    ]

    heads = [each for each in deltas if each.id]
    assert [(each.index, each.function.name) for each in heads] == [
        (0, "get weather.now"),
        (1, "clock"),
    ]
    assert all(each.function.name is None for each in deltas if not each.id)


async def test_a_named_tool_is_called_whatever_the_model_would_say(spoken):
    nothing = {"type": "object", "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "stop.it", "parameters": nothing}}

    answer = await spoken.create(
        model="chat",
        messages=[{"role": "user", "content": "never"}],
        tools=[*TOOLS, tool],
        tool_choice={"type": "function", "function": {"name": "stop.it"}},
    )

    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("stop.it", "{}")


async def test_what_is_no_call_stays_content(spoken):
    text = '[TOOL_REQUEST]{"name": "nobody", "arguments": {}}[END_TOOL_REQUEST]'

    answer = await spoken.create(**said(text))

    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == "stop"

    cut = await spoken.create(**said(TWO_CALLS), max_tokens=24)
    (choice,) = cut.choices
    assert choice.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(choice.message.tool_calls[0].function.arguments)


async def test_tools_and_results_count_as_prompt(spoken):
    call = {"name": "clock", "arguments": "{}"}
    bare = await spoken.create(model="chat", messages=[{"role": "user", "content": "hi"}])
    full = await spoken.create(
        model="chat",
        tools=TOOLS,
        messages=[
            {"role": "user", "content": "time?"},
            {
                "role": "assistant",
                "tool_calls": [{"id": "123456789", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": "123456789", "content": "noon"},
        ],
    )

    assert full.usage.prompt_tokens > bare.usage.prompt_tokens + 100
    assert "noon" in full.choices[0].message.content
