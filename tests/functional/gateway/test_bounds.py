"""What one client may take from the others: time, room, places; and names that lead nowhere."""

import asyncio

import pytest

from lmctl.planning.surface import Limits
from tests.functional.gateway.conftest import HELLO
from tests.support.tiny_runner import tiny_runner

CHAT = "/v1/chat/completions"


def trickling(app, *, pieces, then):
    """The app behind a client that sends these pieces of a body and nothing more."""

    async def call(scope, _receive, send):
        left = list(pieces)

        async def receive():
            if left:
                return {"type": "http.request", "body": left.pop(0), "more_body": True}
            await then.wait()
            return {"type": "http.disconnect"}

        scope["headers"] = [each for each in scope["headers"] if each[0] != b"content-length"]
        await app(scope, receive, send)

    return call


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/api/v1/chat", "/api/v1/models/load"])
async def test_a_body_that_does_not_come_in_time_is_a_408(box, server, path):
    box.serve(box.route(), limits=Limits(body_timeout=0.05))
    server.app = trickling(server.app, pieces=[b'{"model":'], then=asyncio.Event())
    answer = await server.ask("POST", path)

    assert answer.status == 408
    assert "the body did not come within" in answer.json["error"]["message"]


async def test_a_body_without_a_length_is_bounded_too(box, server):
    box.serve(box.route(), limits=Limits(body_size=1000))
    server.app = trickling(server.app, pieces=[b"x" * 300] * 10, then=asyncio.Event())
    answer = await server.ask("POST", CHAT)

    assert (answer.status, answer.json["error"]["code"]) == (413, "request_too_large")


async def test_more_requests_at_once_than_allowed_are_a_429_and_places_come_back(box, server):
    box.serve(box.route(), limits=Limits(concurrency=2))
    waiting = [asyncio.ensure_future(server.chat()) for _ in range(2)]
    async with asyncio.timeout(10):
        while server.gateway.parked < 2:  # noqa: ASYNC110 - nobody rings for it
            await asyncio.sleep(0)
    refused = await server.chat()
    listed = await server.get("/v1/models")
    async with tiny_runner(box.socket()):
        answered = await asyncio.gather(*waiting)
        after = await server.chat()

    assert (refused.status, refused.json["error"]["code"]) == (429, "queue_full")
    assert int(refused.headers["retry-after"]) >= 1
    assert listed.status == 200
    assert {each.status for each in (*answered, after)} == {200}


NAMES = [
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "chat/../../x",
    "chat\x00.gguf",
    "chat\r\nx-evil: 1",
    "\u202echat",
    "a" * 10_000,
    "",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_a_name_is_looked_up_and_never_opened(box, server, name):
    box.serve(box.route("chat"), box.route("other", model="acme/big"))
    answers = [
        await server.ask("POST", CHAT, json_body=HELLO | {"model": name}),
        await server.ask("POST", "/api/v1/chat", json_body={"model": name, "input": "x"}),
        await server.ask("POST", "/api/v1/models/load", json_body={"model": name}),
        await server.ask("POST", "/api/v1/models/unload", json_body={"instance_id": name}),
    ]
    assert all(400 <= each.status < 500 or each.status == 503 for each in answers)
    assert not any("x-evil" in each.headers for each in answers)
    assert "root:" not in "".join(each.body.decode() for each in answers)


@pytest.mark.parametrize("path", ["/v1/models/../../etc/passwd", "/v1/models/%2e%2e/%2e%2e/x"])
async def test_a_path_leads_to_a_listed_name_or_nowhere(box, server, path):
    box.serve(box.route())
    assert (await server.get(path)).status == 404
