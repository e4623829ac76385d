"""Streams over generated conversations, from what a model writes to the last event.

A real runner's echo engine says what a test makes it say: thoughts, calls, broken and cut ones.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.native_stream import result_of
from tests.support.responses_stream import Client
from tests.support.spoken import echo_runner
from tests.support.sse_frames import frames

CALL = '[TOOL_REQUEST]{"name": "add", "arguments": {"a": 1}}[END_TOOL_REQUEST]'
WORDS = st.sampled_from(["one ", "ü\u2028", "\n\n", '"quoted" ', "event: x\n", CALL, CALL[:30]])
THOUGHTS = st.sampled_from(["", "<think>\nhm\n</think>\n\n", "<think>hm", "</think>"])
SAID = st.tuples(THOUGHTS, st.lists(WORDS, min_size=1, max_size=6)).map(
    lambda each: each[0] + "".join(each[1])
)
TOOLS = [{"type": "function", "name": "add"}]
many = settings(
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
async def spoken(box, server):
    async with echo_runner(box, bytes_per_token=3):
        yield server


@given(said=SAID, limit=st.none() | st.integers(1, 12), turns=st.integers(1, 3))
@many
async def test_a_response_is_legal_whatever_was_said_and_however_often(spoken, said, limit, turns):
    previous = None
    for _ in range(turns):
        body = {"model": "chat", "input": said, "tools": TOOLS, "stream": True}
        more = {"max_output_tokens": limit, "previous_response_id": previous}
        answer = await spoken.ask("POST", "/v1/responses", json_body=body | more)
        client = Client()
        last = client.read(frames(answer.body))
        assert client.items == last["output"]
        previous = last["id"]
    assert (await spoken.get(f"/v1/responses/{previous}")).json == last


@given(said=SAID, limit=st.integers(1, 40), turns=st.integers(1, 3))
@many
async def test_a_native_chat_is_legal_whatever_was_said_and_however_often(
    spoken, said, limit, turns
):
    more = {}
    for _ in range(turns):
        body = {"model": "chat", "input": said, "stream": True, "max_output_tokens": limit}
        answer = await spoken.ask("POST", "/api/v1/chat", json_body=body | more)
        output, result, failed = result_of(frames(answer.body))
        assert (output, failed) == (result["output"], None)
        more = {"previous_response_id": result["response_id"]}


async def test_a_turn_pays_only_for_what_is_new(spoken):
    said = " ".join(f"word{number}" for number in range(60))
    first = await spoken.ask("POST", "/v1/responses", json_body={"model": "chat", "input": said})
    body = {"model": "chat", "input": "so?", "previous_response_id": first.json["id"]}
    usage = (await spoken.ask("POST", "/v1/responses", json_body=body)).json["usage"]
    before = first.json["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] > before["input_tokens"] * 0.9
    assert usage["input_tokens"] > before["total_tokens"]


async def test_a_long_prompt_tells_how_far_it_is_read(spoken):
    said = " ".join(f"word{number}" for number in range(600))
    body = {"model": "chat", "input": said, "stream": True, "max_output_tokens": 1}
    told = frames((await spoken.ask("POST", "/api/v1/chat", json_body=body)).body)
    shares = [each["progress"] for each in told if each["type"].endswith(".progress")]
    assert len(shares) > 1
    assert shares == sorted(set(shares))
    assert shares[-1] <= 1
