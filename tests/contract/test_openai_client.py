"""The official openai client against a real gateway process."""

import asyncio
import base64
import math
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import openai
import pytest

from lmctl.base.custom_fields import CustomField, PromptWords
from lmctl.base.spec import LoadSettings
from lmctl.planning.surface import Cors, Limits, ServedRoute
from lmctl.runner.echo import Script
from lmctl.runner.wire import Trouble
from tests.functional.runner.boxes import start
from tests.support.tiny_runner import tiny_runner

HELLO = [{"role": "user", "content": "one two three"}]


async def test_chat_whole(client):
    answer = await client.chat.completions.create(model="chat", messages=HELLO)

    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 10
    assert answer.model == "chat"


async def test_a_preset_and_switches_of_the_model_go_in_the_extra_body(client, box, runner):
    terse = CustomField(
        "terse", ("terse",), "boolean", effects=(PromptWords("Be brief.", before=True),)
    )
    route = msgspec.structs.replace(box.route("chat"), custom_fields=(terse,))
    box.serve(route, presets={"cool": {"llm.prediction.temperature": 0.1}})
    extra = {"preset": "cool", "custom_fields": {"terse": True}}

    await client.chat.completions.create(model="chat", messages=HELLO, extra_body=extra)
    with pytest.raises(openai.BadRequestError, match="known: cool") as refused:
        await client.chat.completions.create(
            model="chat", messages=HELLO, extra_body={"preset": "warm"}
        )

    (call,) = runner.calls
    assert call.sampling.temperature == 0.1
    assert call.input.messages[0].content == "Be brief."
    assert refused.value.code == "preset_not_found"


async def test_chat_streamed_with_usage(client):
    stream = await client.chat.completions.create(
        model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    said = [each.choices[0].delta.content for each in chunks if each.choices]
    assert said == ["one ", "two ", "three", None]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 3


async def test_settings_reach_the_runner(client, runner):
    await client.chat.completions.create(
        model="chat", messages=HELLO, stop=["x"], seed=4, max_tokens=1, extra_body={"top_k": 5}
    )

    (call,) = runner.calls
    assert (call.stop, call.sampling.seed, call.max_tokens) == (("x",), 4, 1)
    assert call.sampling.top_k == 5


async def test_a_limited_answer_ends_with_length(client):
    answer = await client.chat.completions.create(model="chat", messages=HELLO, max_tokens=1)

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 1


async def test_completions(client):
    whole = await client.completions.create(model="chat", prompt="a b c")
    stream = await client.completions.create(model="chat", prompt="a b c", stream=True)
    pieces = [chunk.choices[0].text async for chunk in stream]

    assert whole.choices[0].text == "a b c"
    assert "".join(pieces) == "a b c"


async def test_models_are_listed_and_retrieved_with_slashes_in_their_ids(client):
    listed = [model.id async for model in client.models.list()]
    one = await client.models.retrieve("acme/big")

    assert listed == ["acme/big", "chat"]
    assert one.id == "acme/big"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("acme/none")


async def test_a_wrong_request_is_a_bad_request_error_naming_the_field(client):
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="chat", messages=HELLO, n=0)

    assert caught.value.param == "n"


async def test_an_unknown_model_is_a_bad_request_error_with_its_code(client):
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="nope", messages=HELLO, stream=True)

    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_a_full_queue_is_a_rate_limit_error(client, runner):
    runner.behave(refuse=Trouble("busy", "full", retry_after=3))

    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(model="chat", messages=HELLO)

    assert caught.value.response.headers["retry-after"] == "3"


async def test_a_model_that_is_not_up_in_time_is_an_internal_server_error(client, box, runner):
    box.serve(box.route("chat"), limits=Limits(queue_deadline=0.1))
    runner.behave(refuse=Trouble("draining", "chat is draining", retry_after=2))

    with pytest.raises(openai.InternalServerError) as caught:
        await client.chat.completions.create(model="chat", messages=HELLO, stream=True)

    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "2"


async def test_a_runner_that_dies_mid_stream_is_an_api_error(client, runner):
    runner.behave(die_after=2)

    stream = await client.chat.completions.create(model="chat", messages=HELLO, stream=True)
    said = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
    with pytest.raises(openai.APIError, match="died while answering"):
        await anext(stream)

    assert said == ["one ", "two "]


async def test_a_body_over_the_limit_is_a_413_the_client_can_read(client, box):
    box.serve(box.route("chat"), limits=Limits(body_size=1000))
    big = [{"role": "user", "content": "x" * 3_000_000}]

    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(model="chat", messages=big)

    assert caught.value.status_code == 413


async def test_a_changed_surface_is_served_by_the_next_request(client, box, gateway):
    box.serve(box.route("late", instance="chat"), cors=Cors(enabled=True))

    answer = await client.chat.completions.with_raw_response.create(
        model="late", messages=HELLO, extra_headers={"Origin": "https://app.example"}
    )

    assert answer.parse().model == "late"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["server"] == "lmctl"


async def test_a_parked_request_is_answered_when_the_socket_appears(client, box, gateway):
    asking = asyncio.create_task(client.chat.completions.create(model="acme/big", messages=HELLO))
    await gateway.logged("parked")
    async with tiny_runner(box.socket("big")):
        answer = await asking

    assert answer.model == "acme/big"


async def test_the_log_line_carries_the_clients_request_id(client, gateway):
    await client.chat.completions.create(
        model="chat", messages=HELLO, extra_headers={"x-request-id": "mine-1"}
    )

    (line,) = await gateway.logged("request")
    assert (line["request_id"], line["tokens"], line["instance"]) == ("mine-1", 3, "chat")


@pytest.mark.parametrize("form", ["float", "base64", None])
async def test_embeddings(client, box, form):
    """The client asks for base64 by itself where nothing is said, and gives floats back."""
    with TemporaryDirectory(prefix="lm") as folder:
        weights = Path(folder, "echo.json")
        weights.write_bytes(msgspec.json.encode(Script(embeds=8)))
        embedder = await start(Path(folder), weights, engine="echo", load=LoadSettings()).ready()
        box.serve(ServedRoute("vectors", "vectors", "acme/vectors", embedder.socket, "d1"))
        asked = {} if form is None else {"encoding_format": form}
        answer = await client.embeddings.create(model="vectors", input=["a b", "c"], **asked)
        await embedder.end()

    assert [each.index for each in answer.data] == [0, 1]
    vectors = [each.embedding for each in answer.data]
    if form == "base64":
        vectors = [struct.unpack("<8f", base64.b64decode(each)) for each in vectors]
    assert [math.hypot(*each) for each in vectors] == pytest.approx([1, 1])
    assert answer.usage.prompt_tokens == 5
