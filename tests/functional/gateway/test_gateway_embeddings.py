"""/v1/embeddings over a runner that really embeds, with the echo engine's vectors."""

import asyncio
import base64
import json
import math
import struct
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from lmctl.base.spec import LoadSettings
from lmctl.planning.surface import ServedRoute
from lmctl.runner.echo import Script
from lmctl.runner.wire import LIMIT
from tests.functional.runner.boxes import start

SIZE = 8
PATHS = ("/v1/embeddings", "/api/v0/embeddings")


@contextmanager
def running(script, **load):
    """An echo runner in a process of its own."""
    with TemporaryDirectory(prefix="lm") as folder:
        weights = Path(folder, "echo.json")
        weights.write_bytes(msgspec.json.encode(script))
        runner = start(Path(folder), weights, engine="echo", load=LoadSettings(**load))
        try:
            yield asyncio.run(runner.ready())
        finally:
            asyncio.run(runner.end())


@pytest.fixture(scope="module")
def vectors():
    """An embedding model of eight dimensions that reads texts of 16 tokens."""
    with running(Script(embeds=SIZE), context_length=16) as runner:
        yield runner


@pytest.fixture(scope="module")
def fragile():
    """One that breaks at its 70th text."""
    with running(Script(embeds=SIZE, fail_after_tokens=70)) as runner:
        yield runner


@pytest.fixture(scope="module")
def chatty():
    """A model that answers with text."""
    with running(Script()) as runner:
        yield runner


def route(runner):
    return ServedRoute("vectors", "vectors", "acme/vectors", runner.socket, "d1")


@pytest.fixture
def embed(box, server, vectors):
    box.serve(route(vectors))

    async def asked(text, *, path=PATHS[0], status=200, **body):
        sent = {"model": "vectors", "input": text} | body
        answer = await server.ask("POST", path, json_body=sent)
        assert answer.status == status, answer.body
        return json.loads(answer.body)

    return asked


@pytest.mark.parametrize("path", PATHS)
async def test_a_text_becomes_a_vector_of_length_one(embed, path):
    answer = await embed("red bird", path=path)

    [item] = answer["data"]
    assert (item["object"], item["index"]) == ("embedding", 0)
    assert len(item["embedding"]) == SIZE
    assert math.hypot(*item["embedding"]) == pytest.approx(1)
    assert answer["object"] == "list"
    assert answer["model"] == "vectors"
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


async def test_many_texts_keep_their_order_over_several_steps(embed):
    texts = [f"text number {n % 7}" for n in range(300)]
    answer = await embed(texts)

    alone = {text: (await embed(text))["data"][0]["embedding"] for text in texts[:7]}
    assert [each["index"] for each in answer["data"]] == list(range(300))
    assert [each["embedding"] for each in answer["data"]] == [alone[text] for text in texts]


async def test_base64_holds_the_same_numbers(embed):
    plain = await embed(["red bird", "sun"])
    coded = await embed(["red bird", "sun"], encoding_format="base64")

    for one, other in zip(plain["data"], coded["data"], strict=True):
        numbers = struct.unpack(f"<{SIZE}f", base64.b64decode(other["embedding"]))
        assert list(numbers) == one["embedding"]


async def test_tokens_are_read_as_they_are(embed):
    [one] = (await embed([1, 2, 3]))["data"]
    both = await embed([[1, 2, 3], [4]])
    assert both["data"][0]["embedding"] == one["embedding"]
    assert both["usage"]["prompt_tokens"] == 4


async def test_fewer_dimensions(embed):
    whole = (await embed("red bird"))["data"][0]["embedding"]
    short = (await embed("red bird", dimensions=2))["data"][0]["embedding"]
    assert short == pytest.approx([each / math.hypot(*whole[:2]) for each in whole[:2]])


async def test_a_long_text_is_cut_and_what_was_read_is_counted(embed):
    answer = await embed("w " * 100)
    assert answer["usage"]["prompt_tokens"] == 16


@pytest.mark.parametrize(
    ("text", "more", "field"),
    [
        (None, {}, "input"),
        ([], {}, "input"),
        ([""], {"dimensions": 0}, "dimensions"),
        ("a", {"dimensions": 9}, "dimensions"),
        (["a", 1], {}, "input"),
        (["a", []], {}, "input"),
        ({"a": 1}, {}, "input"),
        ([2**80], {}, "input"),
        ([-1], {}, "input"),
        ([True], {}, "input"),
        ("a", {"encoding_format": "int8"}, "encoding_format"),
    ],
)
async def test_what_is_wrong_is_named(embed, text, more, field):
    answer = await embed(text, status=400, **more)
    assert answer["error"]["param"] == field
    assert answer["error"]["type"] == "invalid_request_error"


async def test_more_than_a_runner_takes_at_once_is_refused(embed):
    answer = await embed("w" * (LIMIT + 1), status=400)
    assert "16" in answer["error"]["message"]


async def test_an_embedding_model_does_not_chat(embed, server):
    sent = {"model": "vectors", "messages": [{"role": "user", "content": "hi"}]}
    for stream in (False, True):
        answer = await server.ask(
            "POST", "/v1/chat/completions", json_body=sent | {"stream": stream}
        )
        assert answer.status == 400
        error = json.loads(answer.body)["error"]
        assert error["param"] == "model"
        assert "vectors, not with text" in error["message"]


async def test_a_text_model_does_not_embed(box, server, chatty):
    box.serve(route(chatty))
    answer = await server.ask("POST", PATHS[0], json_body={"model": "vectors", "input": "hi"})
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"] == "model"


async def test_a_runner_that_breaks_in_the_middle_is_a_500(box, server, fragile):
    box.serve(route(fragile))
    answer = await server.ask("POST", PATHS[0], json_body={"input": ["a"] * 100})
    assert answer.status == 500
    assert "told to fail" in json.loads(answer.body)["error"]["message"]
