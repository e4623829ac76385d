"""Remembered conversations with real weights: the same words as when a client sends all of them,
and only what is new is read.
"""

import asyncio

import pytest
from msgspec.structs import replace

from tests.functional.gateway.conftest import GatewayUnderTest
from tests.support import asgi
from tests.support.gateway_box import Box

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

SYSTEM = "You are a patient teacher. " + "Answer every question in one short sentence. " * 8
GREEDY = {"model": "chat", "temperature": 0}


@pytest.fixture
async def server(box, tmp_path):
    folder = Box(tmp_path)
    folder.serve(replace(folder.route(), socket=box.socket))
    return GatewayUnderTest(folder)


async def ask(server, path, **body):
    async with asyncio.timeout(300):
        answer = await asgi.ask(server.app, "POST", path, json_body=GREEDY | body)
    assert answer.status == 200, answer.body
    return answer.json


async def test_a_remembered_conversation_is_the_whole_one_at_the_price_of_what_is_new(server):
    head = {"role": "developer", "content": SYSTEM}
    asked = {"role": "user", "content": "What is rain?"}
    first = await ask(server, "/v1/responses", input=[head, asked], max_output_tokens=20)
    said = first["output"][-1]["content"][0]["text"]

    more = {"input": "And snow?", "max_output_tokens": 20}
    then = await ask(server, "/v1/responses", previous_response_id=first["id"], **more)
    whole = await ask(
        server,
        "/v1/chat/completions",
        messages=[
            {"role": "system", "content": SYSTEM},
            asked,
            {"role": "assistant", "content": said},
            {"role": "user", "content": "And snow?"},
        ],
        max_tokens=20,
    )

    assert then["output"][-1]["content"][0]["text"] == whole["choices"][0]["message"]["content"]
    assert then["usage"]["input_tokens"] == whole["usage"]["prompt_tokens"]
    cached = then["usage"]["input_tokens_details"]["cached_tokens"]
    assert cached > 0.8 * first["usage"]["total_tokens"]


async def test_two_branches_of_a_native_chat_know_nothing_of_each_other(server):
    first = await ask(
        server, "/api/v1/chat", input="Say yes.", system_prompt=SYSTEM, max_output_tokens=8
    )
    branch = {"previous_response_id": first["response_id"], "max_output_tokens": 8}
    one = await ask(server, "/api/v1/chat", input="Say no.", **branch)
    other = await ask(server, "/api/v1/chat", input="Say maybe.", **branch)
    again = await ask(server, "/api/v1/chat", input="Say no.", **branch)
    assert one["output"] == again["output"]
    assert one["stats"]["input_tokens"] == again["stats"]["input_tokens"]
    assert other["stats"]["input_tokens"] > first["stats"]["input_tokens"]
