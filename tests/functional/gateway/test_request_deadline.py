"""The time a whole request may take: a status before the answer has begun, an event after."""

import asyncio

import pytest

from lmctl.adapters.runner_client import ask as ask_runner
from lmctl.api.app import create_app
from lmctl.planning.surface import Limits, Loadable
from lmctl.serving.gateway import Gateway
from lmctl.serving.snapshot import Snapshots
from tests.support.tiny_runner import tiny_runner

SAID = [{"role": "user", "content": "one two three"}]
DIALECTS = [
    ("/v1/chat/completions", {"messages": SAID}),
    ("/v1/completions", {"prompt": "one two three"}),
    ("/v1/responses", {"input": "one two three"}),
    ("/v1/messages", {"messages": SAID, "max_tokens": 9}),
    ("/api/v1/chat", {"input": "one two three"}),
    ("/api/v0/chat/completions", {"messages": SAID}),
]
SHORT = Limits(request_deadline=0.05)
LONG = Limits(request_deadline=4.0)  # long enough for a first word, however busy the machine is


def asked(server, path, body, **more):
    return server.ask("POST", path, json_body={"model": "chat"} | body | more)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "body"), DIALECTS)
async def test_before_the_answer_has_begun_it_is_a_504(box, server, path, body, stream):
    box.serve(box.route(), limits=SHORT)
    async with tiny_runner(box.socket(), hold=True) as runner:
        answer = await asked(server, path, body, stream=stream)
        assert answer.status == 504
        error = answer.json["error"]
        assert "not done within" in error["message"]
        assert "requestDeadline" in error["message"]
        if path == "/v1/messages":
            assert error["type"] == "timeout_error"
        else:
            assert error["code"] == "deadline_exceeded"
        async with asyncio.timeout(10):
            while runner.open:  # noqa: ASYNC110 - nobody rings for it
                await asyncio.sleep(0)


async def test_in_a_stream_it_is_the_error_event_of_the_dialect(box, server):
    box.serve(box.route(), limits=LONG)
    async with tiny_runner(box.socket(), hold_after=1) as runner:
        answers = await asyncio.gather(*(asked(server, *each, stream=True) for each in DIALECTS))
        async with asyncio.timeout(10):
            while runner.open:  # noqa: ASYNC110 - nobody rings for it
                await asyncio.sleep(0)

    assert {each.status for each in answers} == {200}
    assert all("one " in each.body.decode() for each in answers)
    chat, completion, response, message, native, v0 = (each.events for each in answers)
    for events in (chat, completion, v0):
        assert events[-1]["error"]["code"] == "deadline_exceeded"
    assert b"[DONE]" not in answers[0].body
    assert [each["type"] for each in response[-2:]] == ["error", "response.failed"]
    assert response[-2]["code"] == "deadline_exceeded"
    assert (message[-1]["type"], message[-1]["error"]["type"]) == ("error", "timeout_error")
    assert [each["type"] for each in native[-2:]] == ["error", "chat.end"]
    assert native[-2]["error"]["code"] == "deadline_exceeded"


async def test_several_answers_to_one_request_have_one_deadline(box, server):
    box.serve(box.route(), limits=SHORT)
    async with tiny_runner(box.socket(), hold_after=1):
        answer = await asked(server, *DIALECTS[0], n=3)
    assert (answer.status, answer.json["error"]["code"]) == (504, "deadline_exceeded")


async def test_who_waits_for_a_model_waits_no_longer_either(box, server):
    box.serve(box.route(), limits=Limits(request_deadline=0.05, queue_deadline=600.0))
    counted = await asked(server, "/v1/messages/count_tokens", {"messages": SAID})
    assert (counted.status, counted.json["error"]["type"]) == (504, "timeout_error")
    answer = await asked(server, "/v1/embeddings", {"input": "one"})
    assert (answer.status, answer.json["error"]["code"]) == (504, "deadline_exceeded")
    assert server.gateway.parked == 0


async def test_a_load_that_takes_too_long_ends_a_native_stream(box, server):
    loadable = (Loadable("chat", "acme/tiny", "chat"),)
    box.serve(loadable=loadable, limits=SHORT)
    gateway = Gateway(Snapshots(box.folder), ask_runner, lambda *_: asyncio.Event().wait())
    server.app = create_app(gateway, server.conversations)
    answer = await asked(server, "/api/v1/chat", {"input": "one"}, stream=True)
    kinds = [each["type"] for each in answer.events]
    assert kinds[0] == "chat.start"
    assert kinds[-2:] == ["error", "chat.end"]
    assert answer.events[-2]["error"]["code"] == "deadline_exceeded"


async def test_a_request_in_time_is_none_the_wiser(box, server, runner):
    box.serve(box.route(), limits=Limits(request_deadline=60.0))
    answer = await asked(server, *DIALECTS[0], stream=True)
    assert answer.data[-1] == "[DONE]"


async def test_a_client_that_does_not_read_is_left(box, server):
    """Nothing can be told to it: its connection ends with the answer unfinished."""
    box.serve(box.route(), limits=LONG)
    stuck = asyncio.Event()

    async def call(scope, receive, send):
        async def slow(event):
            await send(event)
            if event["type"] == "http.response.body" and event.get("body"):
                await stuck.wait()

        await inner(scope, receive, slow)

    inner, server.app = server.app, call
    async with tiny_runner(box.socket()) as runner:
        answer = await asked(server, *DIALECTS[0], stream=True)
        assert answer.status == 200
        assert len(answer.pieces) == 1
        async with asyncio.timeout(10):
            while runner.open:  # noqa: ASYNC110 - nobody rings for it
                await asyncio.sleep(0)
