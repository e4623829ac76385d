"""Thoughts and calls through the official clients, over a runner that says what it is told."""

import json

import pytest
from anthropic import AsyncAnthropic

from tests.contract.conftest import running_gateway
from tests.support.spoken import echo_runner

ALOUD = "<think>\nOne and one.\n</think>\n\nTwo."
CALL = (
    '<think>I need it.</think>[TOOL_REQUEST]{"name": "add", "arguments": {"a": 1, "b": "x"}}'
    "[END_TOOL_REQUEST]"
)
ADD = {"name": "add", "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}}}


@pytest.fixture
async def speaking(box):
    async with echo_runner(box, bytes_per_token=3), running_gateway(box) as gateway:
        yield gateway


@pytest.fixture
async def openai(speaking):
    async with speaking.client() as client:
        yield client.chat.completions


@pytest.fixture
async def anthropic(speaking):
    url = f"http://{speaking.address}"
    async with AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client.messages


def said(text):
    return {"model": "chat", "messages": [{"role": "user", "content": text}]}


async def test_openai_thoughts_stream_before_the_answer(openai):
    stream = await openai.create(**said(ALOUD), stream=True)
    deltas = [chunk.choices[0].delta async for chunk in stream]

    thoughts = [getattr(each, "reasoning_content", None) for each in deltas]
    texts = [each.content for each in deltas]
    assert "".join(filter(None, thoughts)) == "One and one."
    assert "".join(filter(None, texts)) == "Two."
    last_thought = max(n for n, each in enumerate(thoughts) if each)
    assert last_thought < min(n for n, each in enumerate(texts) if each)

    answer = await openai.create(**said(ALOUD), reasoning_effort="high")

    message = answer.choices[0].message
    assert (message.content, message.reasoning_content) == ("Two.", "One and one.")
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.usage.completion_tokens_details.reasoning_tokens < answer.usage.completion_tokens


async def test_anthropic_blocks_streamed(anthropic):
    asked = said(CALL)
    async with anthropic.stream(**asked, max_tokens=500, tools=[ADD]) as stream:
        events = [event async for event in stream]
        answer = await stream.get_final_message()

    pieces = [event.partial_json for event in events if event.type == "input_json"]
    assert json.loads("".join(pieces)) == {"a": 1, "b": "x"}
    assert [block.type for block in answer.content] == ["thinking", "tool_use"]
    assert answer.content[1].input == {"a": 1, "b": "x"}
    assert answer.stop_reason == "tool_use"

    answer = await anthropic.create(**said(CALL), max_tokens=500, tools=[ADD])

    thought, call = answer.content
    assert (thought.type, thought.thinking) == ("thinking", "I need it.")
    assert (call.type, call.name, call.input) == ("tool_use", "add", {"a": 1, "b": "x"})
    assert call.id.startswith("toolu_")
    assert answer.stop_reason == "tool_use"


async def test_anthropic_results_go_back_to_the_model(anthropic):
    answer = await anthropic.create(
        model="chat",
        max_tokens=500,
        tools=[ADD],
        messages=[
            {"role": "user", "content": "1 and 1?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Add.", "signature": ""},
                    {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "2"}],
            },
        ],
    )

    # An echo says the last user turn: the result, in the words for models without tools.
    assert answer.content[0].text == "[TOOL_RESULT]2[END_TOOL_RESULT]"
    assert answer.stop_reason == "end_turn"
