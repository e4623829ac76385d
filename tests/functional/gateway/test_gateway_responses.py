"""Responses over a real runner socket: what goes in, what is remembered, what is refused."""

import pytest

from lmctl.base.talk import Message, Reasoning, ToolCall
from tests.support.sse_frames import frames

ASK = {"model": "chat", "input": "one two"}


async def respond(server, **body):
    return await server.ask("POST", "/v1/responses", json_body=ASK | body)


def asked(runner):
    return [each.input.messages for each in runner.calls]


async def test_a_response_repeats_its_request_and_tells_what_really_held(server, runner):
    answer = await respond(server, instructions="be brief", metadata={"a": "b"}, top_p=0.5)
    assert answer.status == 200
    told = answer.json
    assert told["output"][0]["content"][0]["text"] == "one two"
    assert (told["status"], told["error"], told["object"]) == ("completed", None, "response")
    assert told["model"] == "chat"
    assert (told["instructions"], told["metadata"]) == ("be brief", {"a": "b"})
    assert (told["top_p"], told["temperature"]) == (0.5, 0.8)
    assert told["usage"]["total_tokens"] == 9
    assert told["completed_at"] >= told["created_at"]
    assert asked(runner) == [(Message("system", "be brief"), Message("user", "one two"))]


async def test_items_become_turns_and_system_prompts_one_head(server, runner):
    items = [
        {"role": "developer", "content": "be brief"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "add"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {
            "type": "function_call",
            "call_id": "call_000000001",
            "name": "add",
            "arguments": '{"a":1}',
        },
        {"type": "function_call_output", "call_id": "call_000000001", "output": "2"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "it is 2"}]},
        {"role": "user", "content": "so?"},
    ]
    await respond(server, input=items, instructions="be kind", reasoning={"effort": "none"})
    assert asked(runner) == [
        (
            Message("system", "be kind\n\nbe brief"),
            Message("user", "add"),
            Message(
                "assistant", reasoning="hm", tool_calls=(ToolCall("000000001", "add", '{"a":1}'),)
            ),
            Message("tool", "2", tool_call_id="000000001"),
            Message("assistant", "it is 2"),
            Message("user", "so?"),
        )
    ]
    assert runner.calls[0].input.reasoning == Reasoning(enabled=False)


async def test_an_empty_input_is_no_error(server, runner):
    answer = await respond(server, input=[], max_output_tokens=1)
    assert answer.status == 200
    assert asked(runner) == [(Message("user"),)]


async def test_a_response_goes_on_from_another_without_its_instructions(server, runner):
    first = (await respond(server, instructions="be brief")).json["id"]
    second = await respond(server, input="so?", previous_response_id=first)
    assert second.json["previous_response_id"] == first
    assert asked(runner)[1] == (
        Message("user", "one two"),
        Message("assistant", "one two"),
        Message("user", "so?"),
    )


async def test_the_native_chat_goes_on_from_a_response(server, runner):
    first = (await respond(server)).json["id"]
    more = {"model": "chat", "input": "so?", "previous_response_id": first}
    answer = await server.ask("POST", "/api/v1/chat", json_body=more)
    assert len(asked(runner)[1]) == 3
    native = answer.json["response_id"]
    assert (await server.get(f"/v1/responses/{native}")).status == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_can_be_read_again_until_it_is_deleted(server, runner, stream):
    answer = await respond(server, stream=stream)
    whole = frames(answer.body)[-1]["response"] if stream else answer.json
    path = f"/v1/responses/{whole['id']}"
    assert (await server.get(path)).json == whole
    gone = await server.ask("DELETE", path)
    assert gone.json == {"id": whole["id"], "object": "response", "deleted": True}
    again = await server.get(path)
    assert (again.status, again.json["error"]["code"]) == (404, "response_not_found")
    then = await respond(server, previous_response_id=whole["id"])
    assert (then.status, then.json["error"]["code"]) == (400, "previous_response_not_found")
    assert then.json["error"]["param"] == "previous_response_id"


async def test_what_is_not_to_be_stored_cannot_be_read_again(server, runner):
    told = (await respond(server, store=False)).json
    assert told["store"] is False
    assert (await server.get(f"/v1/responses/{told['id']}")).status == 404


async def test_the_items_of_a_request_are_listed_in_pages(server, runner):
    items = [{"role": "user", "content": str(number)} for number in range(3)]
    path = f"/v1/responses/{(await respond(server, input=items)).json['id']}/input_items"
    newest = (await server.get(path + "?limit=2")).json
    assert [each["content"][0]["text"] for each in newest["data"]] == ["2", "1"]
    assert newest["has_more"]
    rest = (await server.get(f"{path}?after={newest['last_id']}")).json
    assert [each["content"][0]["text"] for each in rest["data"]] == ["0"]
    assert not rest["has_more"]
    oldest = (await server.get(path + "?order=asc")).json["data"][0]
    assert oldest["content"] == [{"type": "input_text", "text": "0"}]
    assert (await server.get(path + "?after=no")).status == 400
    assert (await server.get(path + "?order=odd")).status == 400


async def test_what_is_over_cannot_be_cancelled(server, runner):
    made = (await respond(server)).json["id"]
    over = await server.ask("POST", f"/v1/responses/{made}/cancel")
    unknown = await server.ask("POST", "/v1/responses/resp_1/cancel")
    assert (over.status, unknown.status) == (400, 404)


async def test_an_answer_that_was_cut_is_incomplete(server, runner):
    told = (await respond(server, max_output_tokens=1)).json
    assert (told["status"], told["max_output_tokens"]) == ("incomplete", 1)
    assert told["incomplete_details"] == {"reason": "max_output_tokens"}


async def test_a_runner_that_dies_fails_the_stream_and_nothing_is_kept(server, runner):
    runner.behave(fail_after=1)
    told = frames((await respond(server, stream=True)).body)
    assert [each["type"] for each in told[-2:]] == ["error", "response.failed"]
    assert (await server.get(f"/v1/responses/{told[0]['response']['id']}")).status == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        pytest.param({"input": 5}, "input", id="input"),
        pytest.param({"input": [{"type": "film"}]}, "input[0]", id="item"),
        pytest.param({"input": [{"role": "king", "content": ""}]}, "input[0].role", id="role"),
        pytest.param(
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
            id="image",
        ),
        pytest.param({"background": True, "stream": True}, "stream", id="background stream"),
        pytest.param({"background": True, "store": False}, "store", id="background not stored"),
        pytest.param({"conversation": "conv_1"}, "conversation", id="conversation"),
        pytest.param({"prompt": {"id": "p"}}, "prompt", id="prompt"),
        pytest.param({"top_logprobs": 30}, "top_logprobs", id="logprobs"),
        pytest.param({"tools": {}}, "tools", id="tools"),
        pytest.param({"tools": [{"type": "mcp"}]}, "tools", id="tool server"),
        pytest.param({"tools": [{"type": "function"}]}, "tools[0].name", id="nameless tool"),
        pytest.param({"tool_choice": "required"}, "tool_choice", id="no tool"),
        pytest.param({"tool_choice": {"type": "x"}}, "tool_choice", id="tool choice"),
        pytest.param({"reasoning": {"effort": "much"}}, "reasoning.effort", id="effort"),
        pytest.param({"max_output_tokens": 0}, "max_output_tokens", id="limit"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(server, runner, body, param):
    answer = await respond(server, **body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)
    assert not runner.calls


@pytest.mark.parametrize(
    ("asked", "policy", "told"),
    [
        ("auto", "truncateMiddle", "auto"),
        ("disabled", "stopAtLimit", "disabled"),
        (None, "truncateMiddle", "auto"),
    ],
)
async def test_what_becomes_of_too_long_a_past_is_asked_for_and_told(
    server, runner, asked, policy, told
):
    answer = await respond(server, truncation=asked)
    assert (runner.calls[0].overflow, answer.json["truncation"]) == (policy, told)


async def test_how_sure_the_model_was_is_told_where_asked_for(server, runner):
    await respond(server, include=["message.output_text.logprobs"], top_logprobs=2)
    await respond(server, include=["message.output_text.logprobs"])
    await respond(server)
    assert [each.logprobs for each in runner.calls] == [2, 0, None]


async def test_empty_text_and_no_tools_are_fine(server, runner):
    body = {
        "text": {},
        "tools": [],
        "tool_choice": "auto",
        "include": ["reasoning.encrypted_content"],
    }
    answer = await respond(server, **body)
    assert answer.json["text"] == {"format": {"type": "text"}}
