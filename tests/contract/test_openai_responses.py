"""The official openai client's Responses against a real gateway: streaming helper, memory, errors."""

import pytest
from openai import BadRequestError, NotFoundError

from lmctl.base.talk import Finished, ReasoningDelta, Started, TextDelta, Usage
from tests.contract.conftest import running_gateway
from tests.support.spoken import echo_runner

ASK = {"model": "chat", "input": "one two three"}
THINKS = (
    Started(9),
    ReasoningDelta("hm"),
    TextDelta("fo"),
    TextDelta("ur"),
    Finished("stop", Usage(9, 3, reasoning_tokens=1)),
)


async def test_a_response_is_parsed_read_again_listed_and_deleted(client):
    made = await client.responses.create(**ASK, instructions="be brief")
    assert (made.output_text, made.status) == ("one two three", "completed")
    assert made.usage.total_tokens == 10
    again = await client.responses.retrieve(made.id)
    assert again.to_dict() == made.to_dict()
    items = [each async for each in client.responses.input_items.list(made.id)]
    assert items[0].content[0].text == "one two three"
    await client.responses.delete(made.id)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(made.id)


async def test_the_streaming_helper_builds_what_was_said(client, runner):
    runner.behave(events=THINKS)
    async with client.responses.stream(**ASK) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") == 2
    assert final.output_text == "four"
    assert [each.type for each in final.output] == ["reasoning", "message"]
    assert final.output[0].content[0].text == "hm"


async def test_a_conversation_goes_on_whichever_worker_answers(box, runner):
    async with running_gateway(box, workers=2) as gateway, gateway.client() as client:
        made = await client.responses.create(**ASK)
        for count in range(2, 6):
            made = await client.responses.create(**ASK, previous_response_id=made.id)
            assert len(runner.calls[-1].input.messages) == 2 * count - 1


async def test_an_unknown_past_is_a_bad_request(client):
    with pytest.raises(BadRequestError) as caught:
        await client.responses.create(**ASK, previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"


TOOLS = [
    {
        "type": "function",
        "name": "get weather.now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
    {"type": "function", "name": "clock"},
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
        yield client.responses


async def test_tools_are_called_and_what_they_return_is_read_next(spoken):
    async with spoken.stream(model="chat", input=TWO_CALLS, tools=TOOLS) as stream:
        kinds = [event.type async for event in stream]
        first = await stream.get_final_response()
    calls = [each for each in first.output if each.type == "function_call"]
    assert [(each.name, each.arguments) for each in calls] == [
        ("get weather.now", '{"city": "Paris"}'),
        ("clock", "{}"),
    ]
    assert first.output_text == "I look.\n"
    assert kinds.count("response.function_call_arguments.delta") >= 2

    results = [
        {"type": "function_call_output", "call_id": each.call_id, "output": "sunny"}
        for each in calls
    ]
    then = await spoken.create(
        model="chat",
        input=[*results, {"role": "user", "content": "so?"}],
        previous_response_id=first.id,
        tools=TOOLS,
    )
    assert then.output_text.count("sunny") == 2  # an echo says back what it read
    assert then.output_text.endswith("so?")
    assert then.usage.input_tokens > first.usage.input_tokens


async def test_thoughts_are_items_of_their_own(spoken):
    answer = await spoken.create(model="chat", input="<think>\nhm\n</think>\n\nfour")
    assert [each.type for each in answer.output] == ["reasoning", "message"]
    assert answer.output[0].content[0].text == "hm"
    assert answer.output_text == "four"
    assert answer.usage.output_tokens_details.reasoning_tokens > 0


async def test_how_sure_the_model_was_comes_with_the_text(spoken):
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    async with spoken.stream(model="chat", input="one two", **asked) as stream:
        deltas = [each async for each in stream if each.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    [part] = final.output[0].content
    assert "".join(each.token for each in part.logprobs) == "one two"
    assert sum(len(each.logprobs) for each in deltas) == len(part.logprobs)
