"""The official Python clients against a whole box of real weights, feature by feature."""

import asyncio
import base64
import json
import math
import struct
from collections.abc import Iterator
from json import loads
from typing import Any, Literal

import anthropic
import openai
import pytest
from anthropic import Anthropic, AsyncAnthropic
from jsonschema import validate
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.support.asking import PATIENCE, body
from tests.support.box import Box
from tests.support.pictures import BLUE, GREEN, RED, png
from tests.support.real_box import AT_ONCE, BODY_SIZE, READER, TOKEN, real_box

# The first run ever fetches the weights.
pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.timeout(900)]

GREEDY: dict[str, Any] = {"temperature": 0}
FRANCE = "What is the capital of France?"
TOKYO = "What time is it in Tokyo? Its timezone is Asia/Tokyo."
WEATHER = "What is the weather in Paris, in celsius? Use the tool."
# 151643 and 151645 end a text and a turn of Qwen's; without them a story fills the context.
ENDLESS: dict[str, Any] = {"logit_bias": {"151643": -100, "151645": -100}, "temperature": 0}
CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
PARIS = {"city": "Paris", "unit": "celsius"}
DESCRIBED = {"name": "get_current_weather", "description": "Get the weather of a city."}
FUNCTION = {"type": "function", **DESCRIBED, "parameters": CITY}
TOOL = {"type": "function", "function": {**DESCRIBED, "parameters": CITY}}
BLOCK = {**DESCRIBED, "input_schema": CITY}
LOOK, WHICH = "Look: ", " What colour is it? Answer in one word."
PICTURES = {"red": png(RED), "green": png(GREEN), "blue": png(BLUE)}


class Pet(BaseModel):
    kind: Literal["cat", "dog"]
    lives: Literal[7, 9]


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[Box]:
    with real_box(tmp_path_factory.mktemp("clients")) as made:
        yield made


@pytest.fixture(scope="module")
def client(box) -> Iterator[OpenAI]:
    with openai_client(box) as made:
        yield made


@pytest.fixture(scope="module")
def claude(box) -> Iterator[Anthropic]:
    with anthropic_client(box) as made:
        yield made


def openai_client(box, token=TOKEN) -> OpenAI:
    url = f"{box.url}/v1"
    return OpenAI(base_url=url, api_key=token, max_retries=0, timeout=PATIENCE)


def anthropic_client(box, token=TOKEN) -> Anthropic:
    return Anthropic(base_url=box.url, api_key=token, max_retries=0, timeout=PATIENCE)


def turn(text):
    return {"role": "user", "content": text}


def message(text, *, model="chat", limit=40, **more):
    fields = {"extra_body": more.pop("extra_body", {}) | GREEDY}
    return {"model": model, "max_tokens": limit, "messages": [turn(text)], **fields, **more}


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def whole_chat(client, **asked):
    """Return a chat as its own streaming helper builds it."""
    with client.chat.completions.stream(**asked) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion().choices[0]


def whole_response(client, **asked):
    with client.responses.stream(**asked) as stream:
        for _ in stream:
            pass
        return stream.get_final_response()


def test_openai_chat_and_what_it_streams_are_the_same(client):
    asked = body(FRANCE, **GREEDY, max_tokens=24)

    whole = client.chat.completions.create(**asked).choices[0]

    assert "Paris" in whole.message.content
    assert whole.finish_reason == "stop"
    assert whole_chat(client, **asked).message.content == whole.message.content


def test_openai_completions_and_what_they_stream_are_the_same(client):
    asked = {"model": "chat", "prompt": "The capital of France is", "max_tokens": 6, **GREEDY}

    whole = client.completions.create(**asked).choices[0].text

    assert whole.startswith(" Paris")
    assert (
        "".join(e.choices[0].text for e in client.completions.create(**asked, stream=True)) == whole
    )


def test_anthropic_messages_and_what_they_stream_are_the_same(claude):
    whole = claude.messages.create(**message(FRANCE))
    with claude.messages.stream(**message(FRANCE)) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()

    assert "Paris" in whole.content[0].text
    assert "".join(pieces) == streamed.content[0].text == whole.content[0].text
    assert streamed.stop_reason == whole.stop_reason == "end_turn"
    counted = claude.messages.count_tokens(model="chat", messages=[turn(FRANCE)]).input_tokens
    usage = whole.usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_openai_tools_are_called(client, streamed, choice):
    asked = body(WEATHER, **GREEDY, tools=[TOOL], tool_choice=choice, max_tokens=60)

    told = (
        whole_chat(client, **asked)
        if streamed
        else client.chat.completions.create(**asked).choices[0]
    )

    [call] = told.message.tool_calls
    assert (call.function.name, told.finish_reason) == (DESCRIBED["name"], "tool_calls")
    validate(loads(call.function.arguments), CITY)
    assert choice == "required" or loads(call.function.arguments) == PARIS


def test_openai_a_tools_result_is_read(client):
    asked = body(WEATHER, **GREEDY, tools=[TOOL], max_tokens=60)
    first = client.chat.completions.create(**asked).choices[0].message
    result = {
        "role": "tool",
        "content": '{"temperature": 31}',
        "tool_call_id": first.tool_calls[0].id,
    }
    then = turn("So how many degrees is it? Answer with one sentence.")
    said = [*asked["messages"], first, result, then]

    told = client.chat.completions.create(**asked | {"messages": said, "tool_choice": "none"})

    assert "31" in told.choices[0].message.content


@pytest.mark.parametrize("streamed", [False, True])
def test_openai_responses_call_tools_and_go_on(client, streamed):
    asked = {"model": "chat", "input": WEATHER, "tools": [FUNCTION], "max_output_tokens": 60}
    ask = whole_response if streamed else lambda client, **more: client.responses.create(**more)

    first = ask(client, **asked, **GREEDY)

    [call] = [each for each in first.output if each.type == "function_call"]
    assert (call.name, loads(call.arguments)) == (DESCRIBED["name"], PARIS)
    result = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": '{"temperature": 31}',
    }
    then = turn("So how many degrees is it? Answer with one sentence.")
    more = {"input": [result, then], "previous_response_id": first.id, "tool_choice": "none"}
    assert "31" in ask(client, **asked | more, **GREEDY).output_text


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropic_tools_are_called_and_their_results_read(claude, streamed):
    asked = message(WEATHER, tools=[BLOCK], limit=60)

    if streamed:
        with claude.messages.stream(**asked) as stream:
            first = stream.get_final_message()
    else:
        first = claude.messages.create(**asked)

    [use] = [each for each in first.content if each.type == "tool_use"]
    assert (use.name, use.input, first.stop_reason) == (DESCRIBED["name"], PARIS, "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": '{"temperature": 31}'}
    question = {"type": "text", "text": "So how many degrees is it? Answer with one sentence."}
    called = {"role": "assistant", "content": first.content}
    said = [turn(WEATHER), called, turn([result, question])]
    told = claude.messages.create(**asked | {"messages": said, "tool_choice": {"type": "none"}})
    assert "31" in told.content[0].text


def test_openai_structured_output_is_parsed(client):
    asked = body("A cat with nine lives, as JSON.", **GREEDY, max_tokens=60)
    pet = client.chat.completions.parse(**asked, response_format=Pet).choices[0].message.parsed
    response = client.responses.parse(model="chat", input="A cat, as JSON.", text_format=Pet)
    chosen = client.chat.completions.create(
        **body("Is Paris in France?"), extra_body={"structured_outputs": {"choice": ["yes", "no"]}}
    )

    assert isinstance(pet, Pet)
    assert isinstance(response.output_parsed, Pet)
    assert chosen.choices[0].message.content in {"yes", "no"}


def test_anthropic_structured_output_is_parsed(claude):
    told = claude.messages.parse(**message("A cat with nine lives, as JSON."), output_format=Pet)

    assert isinstance(told.parsed_output, Pet)


def test_openai_responses_use_a_tool_server_of_the_box(client):
    """The model calls the packaged server's tool, the box runs it, the model reads what it said."""
    clock = {"type": "mcp", "server_label": "clock", "allowed_tools": ["get_current_time"]}

    response = client.responses.create(
        model="chat", input=TOKYO, tools=[clock], **GREEDY, max_output_tokens=200
    )

    call, *_ = (each for each in response.output if each.type == "mcp_call")
    assert (call.server_label, call.error) == ("clock", None)
    assert json.loads(call.arguments) == {"timezone": "Asia/Tokyo"}
    assert json.loads(call.output)["timezone"] == "Asia/Tokyo"
    assert response.output[-1].type == "message"
    assert response.output_text.strip()


@pytest.mark.parametrize("colour", PICTURES)
def test_openai_pictures_are_seen(client, colour):
    url = f"data:image/png;base64,{base64.b64encode(PICTURES[colour]).decode()}"
    parts = [{"type": "text", "text": LOOK}, {"type": "image_url", "image_url": {"url": url}}]
    items = [{"type": "input_text", "text": LOOK}, {"type": "input_image", "image_url": url}]
    asked = {"model": "chat", "input": [turn([*items, {"type": "input_text", "text": WHICH}])]}

    chat = client.chat.completions.create(
        **body([*parts, {"type": "text", "text": WHICH}]), **GREEDY, max_tokens=8
    )
    response = client.responses.create(**asked, **GREEDY, max_output_tokens=8)

    assert colour in chat.choices[0].message.content.lower()
    assert colour in response.output_text.lower()


def test_anthropic_pictures_are_seen(claude):
    source = {"type": "base64", "media_type": "image/png"}
    for colour, data in PICTURES.items():
        image = {"type": "image", "source": {**source, "data": base64.b64encode(data).decode()}}
        shown = [{"type": "text", "text": LOOK}, image, {"type": "text", "text": WHICH}]
        told = claude.messages.create(**message(shown, limit=8))
        assert colour in told.content[0].text.lower()


def test_openai_embeddings_as_floats_and_base64(client):
    """The declared instance of an embedding model, from its manifest to the client."""
    texts = ["reset my password", "I forgot my login", "a red bird sang"]
    vectors = []
    for form in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
        answer = client.embeddings.create(model="vectors", input=texts, **form)
        vectors.append([each.embedding for each in answer.data])
    encoded = [struct.unpack("<384f", base64.b64decode(each)) for each in vectors[2]]

    assert vectors[0] == vectors[1] == [pytest.approx(each) for each in encoded]
    one, near, far = vectors[0]
    assert math.hypot(*one) == pytest.approx(1)
    assert cosine(one, near) > 0.5
    assert cosine(one, far) < 0.2
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > len(texts)
    short = client.embeddings.create(model="vectors", input=texts[0], dimensions=32)
    assert math.hypot(*short.data[0].embedding) == pytest.approx(1)
    assert "vectors" in {each.id for each in client.models.list()}


def test_openai_thoughts_come_apart_and_off_is_off(client):
    asked = body(FRANCE, "thinker", **GREEDY, max_tokens=24)

    thinking = client.chat.completions.create(**asked)
    silent = client.chat.completions.create(**asked, reasoning_effort="none")
    response = client.responses.create(
        model="thinker", input=FRANCE, max_output_tokens=24, **GREEDY
    )

    assert "Paris" in thinking.choices[0].message.reasoning_content
    usage = thinking.usage
    assert usage.completion_tokens_details.reasoning_tokens == usage.completion_tokens
    assert "Paris" in silent.choices[0].message.content
    assert silent.usage.completion_tokens_details.reasoning_tokens == 0
    assert [each.type for each in response.output] == ["reasoning"]


def test_anthropic_a_thought_is_kept_to_its_budget(claude):
    budget = {"type": "enabled", "budget_tokens": 4}
    asked = message(FRANCE, model="thinker", extra_body={"thinking": budget})

    with claude.messages.stream(**asked) as stream:
        kinds = [each.type for each in stream if each.type in {"thinking", "text"}]
        told = stream.get_final_message()

    thought, answer = told.content
    assert (thought.type, answer.type) == ("thinking", "text")
    assert kinds == sorted(kinds, reverse=True), "something was said before all was thought"
    assert 0 < len(thought.thinking.split()) <= 4


def test_openai_conversations_go_on_from_any_response(client):
    first = client.responses.create(
        model="chat", input="My name is Ada. Say hello.", max_output_tokens=20, **GREEDY
    )
    asked = {"model": "chat", "previous_response_id": first.id, "max_output_tokens": 20, **GREEDY}

    names = [client.responses.create(**asked, input="What is my name?") for _ in range(2)]

    assert all("Ada" in each.output_text for each in names)
    assert names[0].id != names[1].id
    assert names[1].usage.input_tokens_details.cached_tokens > first.usage.input_tokens
    items = client.responses.input_items.list(names[0].id)
    assert "My name is Ada" in items.model_dump_json() or items.data
    client.responses.delete(names[0].id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(names[0].id)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_client_that_leaves_stops_the_model_within_a_step(box, client, claude, dialect):
    """What was made for it once it left is what one step makes, so the slot is free at once."""
    log = box.home.logs / "runner-chat.log"
    before = log.read_text().count("asker left")

    if dialect == "openai":
        stream = client.chat.completions.create(**body("Tell a story."), **ENDLESS, stream=True)
        next(stream)
        stream.close()
    else:
        asked = message("Count from 1 to 500.", limit=1500)
        with claude.messages.stream(**asked) as stream:
            next(iter(stream.text_stream))

    box.until(lambda _: log.read_text().count("asker left") == before + 1)
    assert client.chat.completions.create(**body(FRANCE), max_tokens=1, **GREEDY).choices


REFUSED = [
    pytest.param({"temperature": "hot"}, openai.BadRequestError, 400, None, id="400"),
    pytest.param(
        {"model": "nobody"}, openai.BadRequestError, 400, "model_not_found", id="400 model"
    ),
    pytest.param(
        body("word " * 4000),
        openai.BadRequestError,
        400,
        "context_length_exceeded",
        id="400 context",
    ),
    pytest.param(
        {"metadata": {"x": "y" * BODY_SIZE}},
        openai.APIStatusError,
        413,
        "request_too_large",
        id="413",
    ),
    pytest.param({"model": "broken"}, openai.InternalServerError, 503, "model_not_ready", id="503"),
]


@pytest.mark.parametrize(("asked", "kind", "status", "code"), REFUSED)
def test_openai_errors(client, asked, kind, status, code):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**body(FRANCE) | asked)

    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_openai_errors_of_tokens_names_and_declarations(box, client):
    with openai_client(box, "wrong") as unknown, openai_client(box, READER) as reader:
        with pytest.raises(openai.AuthenticationError) as caught:
            unknown.models.list()
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.PermissionDeniedError, match="inference"):
            reader.chat.completions.create(**body(FRANCE))
        assert reader.models.retrieve("chat").id == "chat"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_nobody")
    with pytest.raises(openai.ConflictError) as declared:
        client.post(f"{box.url}/api/v1/models/unload", body={"instance_id": "chat"}, cast_to=object)
    assert declared.value.code == "declared"


async def test_too_many_at_once_are_told_to_come_back(box):
    async with (
        AsyncOpenAI(base_url=f"{box.url}/v1", api_key=TOKEN, max_retries=0) as client,
        AsyncAnthropic(base_url=box.url, api_key=TOKEN, max_retries=0) as claude,
    ):
        story = body("Tell a story.", "thinker", stream=True, logit_bias={"0": -100, "2": -100})
        asking = [
            asyncio.ensure_future(client.chat.completions.create(**story))
            for _ in range(AT_ONCE + 1)
        ]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_EXCEPTION)
        with pytest.raises(anthropic.RateLimitError):
            await claude.messages.create(**message(FRANCE))
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    [refused] = [each.exception() for each in done if each.exception()]
    assert isinstance(refused, openai.RateLimitError)
    assert refused.code == "queue_full"
    assert int(refused.response.headers["retry-after"]) > 0


MISTAKES = [
    pytest.param({"messages": [turn("word " * 4000)]}, anthropic.BadRequestError, 400, id="400"),
    pytest.param({"model": "nobody"}, anthropic.BadRequestError, 400, id="400 model"),
    pytest.param({"system": "x" * BODY_SIZE}, anthropic.RequestTooLargeError, 413, id="413"),
    pytest.param({"model": "broken"}, anthropic.ServiceUnavailableError, 503, id="503"),
]


@pytest.mark.parametrize(("asked", "kind", "status"), MISTAKES)
def test_anthropic_errors(claude, asked, kind, status):
    with pytest.raises(kind) as caught:
        claude.messages.create(**message(FRANCE) | asked)

    assert caught.value.status_code == status


def test_anthropic_errors_of_tokens_and_paths(box, claude):
    with anthropic_client(box, "wrong") as unknown, anthropic_client(box, READER) as reader:
        with pytest.raises(anthropic.AuthenticationError):
            unknown.messages.create(**message(FRANCE))
        with pytest.raises(anthropic.PermissionDeniedError, match="inference"):
            reader.messages.create(**message(FRANCE))
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.list()
