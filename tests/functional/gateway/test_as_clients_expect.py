"""Where clients expect what LM Studio does: unknown endpoints, thoughts; and what is logged."""

import pytest
import structlog

from lmctl.base.talk import (
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from lmctl.planning.surface import Compat, Logs

TOGETHER = Compat(separate_reasoning=False)
END = Finished("stop", Usage(7, 3))
THOUGHT = (Started(7), ReasoningDelta("a "), ReasoningDelta("b"), TextDelta("c"), END)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/x"), ("GET", "/v1/chat/completions"), ("OPTIONS", "/v1/x")]
)
async def test_an_unknown_endpoint_is_a_200_where_the_server_says_so(box, server, method, path):
    box.serve(box.route())
    assert (await server.ask(method, path)).status in (404, 405)

    box.serve(box.route(), compat=Compat(unknown_endpoint_status=200))
    with structlog.testing.capture_logs() as lines:
        answer = await server.ask(method, path)
    assert answer.status == 200
    assert answer.json == {"error": f"Unexpected endpoint or method. ({method} {path})"}
    assert (lines[0]["log_level"], lines[0]["path"]) == ("warning", path)


async def test_what_no_listing_has_is_a_404_anyway(box, server, runner):
    box.serve(box.route(), compat=Compat(unknown_endpoint_status=200))
    assert (await server.get("/v1/models/nobody/knows")).status == 404


async def test_thoughts_stand_in_the_content_where_the_server_says_so(box, server, runner):
    runner.behave(events=THOUGHT)
    apart = (await server.chat()).json["choices"][0]["message"]
    assert (apart["content"], apart["reasoning_content"]) == ("c", "a b")

    box.serve(box.route(), compat=TOGETHER)
    message = (await server.chat()).json["choices"][0]["message"]
    assert message["content"] == "<think>a b</think>c"
    assert "reasoning_content" not in message
    assert said(await server.chat(stream=True)) == "<think>a b</think>c"


async def test_a_thought_ends_before_a_call_and_before_the_end(box, server, runner):
    box.serve(box.route(), compat=TOGETHER)
    call = (ToolCallStarted(0, "1", "add"), ToolCallDelta(0, "{}"), ToolCallEnded(0, "{}"))
    runner.behave(events=(*THOUGHT[:2], *call, Finished("tool_calls", Usage(7, 3))))
    answer = await server.chat(stream=True)
    assert said(answer) == "<think>a </think>"
    calls = [each for each in answer.events if each["choices"][0]["delta"].get("tool_calls")]
    assert calls[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "add"

    runner.behave(events=(*THOUGHT[:3], Finished("length", Usage(7, 3))))
    assert said(await server.chat(stream=True)) == "<think>a b</think>"


async def test_other_dialects_tell_thoughts_apart_always(box, server, runner):
    box.serve(box.route(), compat=TOGETHER)
    runner.behave(events=THOUGHT)
    response = await server.ask("POST", "/v1/responses", json_body={"input": "x", "model": "chat"})
    assert [each["type"] for each in response.json["output"]] == ["reasoning", "message"]


async def test_lines_may_be_left_out_but_for_what_fails(box, server, runner):
    box.serve(box.route(), logs=Logs(requests="off"))
    with structlog.testing.capture_logs() as lines:
        await server.chat()
        assert lines == []
        runner.behave(die_after=0)
        assert (await server.chat()).status == 500
    assert [each["status"] for each in lines] == [500]


async def test_in_full_a_request_is_told_when_it_begins(box, server, runner):
    box.serve(box.route(), logs=Logs(requests="full"))
    with structlog.testing.capture_logs() as lines:
        await server.chat(headers={"x-request-id": "r1", "user-agent": "curl"})
    began, over = lines
    assert (began["event"], over["event"]) == ("request began", "request")
    assert (began["client"], began["agent"], began["request_id"]) == ("127.0.0.1", "curl", "r1")
    assert began["bytes"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_answers_are_logged_with_prompts(box, server, runner, stream):
    box.serve(box.route(), logs=Logs(prompts=True))
    runner.behave(events=THOUGHT)
    with structlog.testing.capture_logs() as lines:
        await server.chat(stream=stream)
    assert lines[0]["answer"] == [{"text": "c", "reasoning": "a b"}]


async def test_every_piece_may_be_logged_as_it_comes(box, server, runner):
    box.serve(box.route(), logs=Logs(tokens=True))
    with structlog.testing.capture_logs() as lines:
        await server.chat(headers={"x-request-id": "r1"})
    pieces = [each for each in lines if each["event"] == "token"]
    assert [each["piece"] for each in pieces] == ["one ", "two ", "three"]
    assert {(each["kind"], each["request_id"]) for each in pieces} == {("TextDelta", "r1")}


def said(answer):
    deltas = [each["choices"][0]["delta"] for each in answer.events]
    return "".join(each.get("content") or "" for each in deltas)
