"""Tool servers that requests bring: used for the request, at public addresses or where allowed."""

import msgspec
import pytest

from lmctl.planning.surface import ToolRules
from tests.functional.mcp.conftest import listening
from tests.support.spoken_calls import calling, saying
from tests.support.tiny_runner import tiny_runner


@pytest.fixture(scope="module")
def address():
    """Where a tiny server listens."""
    with listening("http") as (_, port):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture
async def model(box):
    def serve(*networks):
        rules = ToolRules(per_request=True, private_networks=networks, call_timeout=20.0)
        box.serve(box.route(), tools=rules)

    serve("127.0.0.0/8")
    box.health(chat="ready")
    async with tiny_runner(box.socket()) as running:
        running.serve_tools = serve
        yield running


def native(url, **more):
    mine = {"type": "ephemeral_mcp", "server_label": "mine", "server_url": url} | more
    return "/api/v1/chat", {"model": "chat", "input": "who", "integrations": [mine]}


def responses(url, **more):
    mine = {"type": "mcp", "server_label": "mine", "server_url": url} | more
    return "/v1/responses", {"model": "chat", "input": "who", "tools": [mine]}


async def ask(server, path, body):
    return await server.ask("POST", path, json_body=body)


async def test_headers_reach_it_and_nobody_else(server, model, address, box):
    secret = {"x-who": "hunter2"}
    model.behave(rounds=(calling(("who", "{}")), saying("you")) * 2)
    first = await ask(server, *native(address, headers=secret))
    [call, _] = first.json["output"]
    assert "hunter2" in call["output"]
    assert call["provider_info"] == {"type": "ephemeral_mcp", "server_label": "mine"}
    second = await ask(server, *responses(address, headers=secret, allowed_tools=["who"]))
    kinds = [each["type"] for each in second.json["output"]]
    assert kinds == ["mcp_list_tools", "mcp_call", "message"]
    assert [each["name"] for each in second.json["output"][0]["tools"]] == ["who"]
    told = msgspec.json.encode(second.json["tools"])
    assert b"mine" in told
    assert b"hunter2" not in told


@pytest.mark.parametrize("make", [native, responses], ids=["native", "responses"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/mcp",
        "http://localhost/",
        "http://2130706433/",
        "http://[::ffff:7f00:1]/",
    ],
)
async def test_a_private_address_is_refused_unless_it_is_allowed(server, model, make, url):
    model.serve_tools()
    answer = await ask(server, *make(url))
    assert answer.status == 403
    assert "not a public address" in answer.json["error"]["message"]
    assert not model.calls
    if make is native:
        assert answer.json["error"]["type"] == "mcp_connection_error"


async def test_one_that_cannot_be_reached_is_told(server, model):
    answer = await ask(server, *native("http://127.0.0.1:1/mcp"))
    error = answer.json["error"]
    assert (answer.status, error["type"]) == (502, "mcp_connection_error")
    assert "no connection" in error["message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"server_url": "ftp://x/"}, "http or https"),
        ({"server_url": "http://u:p@x/"}, "user or password"),
        ({"headers": {"a b": "c"}}, "no header"),
        ({"headers": {"a": "b\nc"}}, "no header"),
        ({"headers": {"a": 7}}, "headers"),
    ],
)
@pytest.mark.parametrize("make", [native, responses], ids=["native", "responses"])
async def test_what_is_no_address_or_header_is_refused(server, model, address, make, more, said):
    answer = await ask(server, *make(more.get("server_url", address), **more))
    assert answer.status in (400, 403)
    assert said in answer.json["error"]["message"]


async def test_a_response_with_one_cannot_be_left_to_the_background(server, model, address):
    path, body = responses(address)
    answer = await ask(server, path, body | {"background": True})
    assert (answer.status, answer.json["error"]["param"]) == (400, "background")
