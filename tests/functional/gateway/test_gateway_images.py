"""Images in every dialect, over a runner that says how many bytes each has."""

import asyncio
import base64
import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from lmctl.api import images
from lmctl.base import pictures
from lmctl.base.spec import LoadSettings
from lmctl.planning.known_models import KnownModel, ModelInstance
from lmctl.planning.surface import ServedRoute
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import start
from tests.support.pictures import BLUE, RED, png

SMALL, LARGE = png(RED), png(BLUE, width=300, height=200)
KNOWN = ModelInstance("eye", "eye", True, "echo", "1", 4096, 2, 512, None, True)


@contextmanager
def running(script):
    with TemporaryDirectory(prefix="lm") as folder:
        weights = Path(folder, "echo.json")
        weights.write_bytes(msgspec.json.encode(script))
        load = LoadSettings(context_length=256)
        runner = start(Path(folder), weights, engine="echo", load=load)
        try:
            yield asyncio.run(runner.ready())
        finally:
            asyncio.run(runner.end())


@pytest.fixture(scope="module")
def seeing():
    with running(Script(sees=True)) as runner:
        yield runner


@pytest.fixture(scope="module")
def blind():
    with running(Script()) as runner:
        yield runner


def url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def openai(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


def text(words):
    return {"type": "text", "text": words}


def image_url(data):
    return {"type": "image_url", "image_url": {"url": url(data)}}


def source(data):
    coded = base64.b64encode(data).decode()
    held = {"type": "base64", "media_type": "image/png", "data": coded}
    return {"type": "image", "source": held}


ASKED = {
    "/v1/chat/completions": openai(text("one "), image_url(SMALL), image_url(LARGE), text("two")),
    "/v1/messages": {
        "max_tokens": 50,
        **openai(text("one "), source(SMALL), source(LARGE), text("two")),
    },
    "/api/v1/chat": {
        "input": [
            {"type": "text", "content": "one "},
            {"type": "image", "data_url": url(SMALL)},
            {"type": "image", "data_url": url(LARGE)},
            {"type": "text", "content": "two"},
        ]
    },
    "/v1/responses": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "one "},
                    {"type": "input_image", "image_url": url(SMALL)},
                    {"type": "input_image", "image_url": url(LARGE)},
                    {"type": "input_text", "text": "two"},
                ],
            }
        ]
    },
}


def serve(box, runner):
    box.serve(ServedRoute("eye", "eye", "acme/eye", runner.socket, "d1"))
    box.models(KnownModel("acme/eye", instances=(KNOWN,)))


@pytest.mark.parametrize("path", ASKED)
async def test_a_model_that_sees_is_shown_images_where_they_stand(box, server, seeing, path):
    serve(box, seeing)
    answer = await server.ask("POST", path, json_body={"model": "eye"} | ASKED[path])
    assert answer.status == 200, answer.body
    assert f"one [{len(SMALL)} bytes] [{len(LARGE)} bytes] two" in answer.body.decode()


@pytest.mark.parametrize("path", ASKED)
async def test_a_model_that_does_not_see_refuses_them(box, server, blind, path):
    serve(box, blind)
    answer = await server.ask("POST", path, json_body={"model": "eye"} | ASKED[path])
    assert answer.status == 400, answer.body
    assert "does not take images" in answer.body.decode()


async def test_a_conversation_goes_on_behind_an_image(box, server, seeing):
    serve(box, seeing)
    sent = {"model": "eye"} | ASKED["/api/v1/chat"]
    first = json.loads((await server.ask("POST", "/api/v1/chat", json_body=sent)).body)
    followed = {
        "model": "eye",
        "input": "three",
        "previous_response_id": first["response_id"],
    }
    answer = json.loads((await server.ask("POST", "/api/v1/chat", json_body=followed)).body)
    assert answer["stats"]["input_tokens"] > first["stats"]["input_tokens"]
    assert answer["output"][-1]["content"] == "three"


async def test_anthropics_count_includes_images(box, server, seeing):
    serve(box, seeing)
    counts = []
    for parts in ([text("one"), source(SMALL)], [text("one")]):
        sent = {"model": "eye"} | openai(*parts)
        answer = await server.ask("POST", "/v1/messages/count_tokens", json_body=sent)
        counts.append(json.loads(answer.body)["input_tokens"])
    assert counts[0] > counts[1]


def header_only(width, height):
    return png()[:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + png()[24:]


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([image_url(b"RIFF....WEBP")], "expected PNG"),
        ([image_url(header_only(50_000, 50_000))], "50000 x 50000 pixels"),
        ([image_url(header_only(0, 5))], "0 x 5 pixels"),
        ([image_url(SMALL)] * (images.MOST + 1), "16 are the most"),
        ([image_url(SMALL + b"\0" * images.MOST_BYTES)], "12"),
        ([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}], "not fetched"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}}], "base64"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,A!"}}], "base64"),
        ([{"type": "image_url"}], "data URL"),
    ],
)
async def test_what_may_not_be_shown_is_a_400_that_says_why(box, server, seeing, parts, word):
    serve(box, seeing)
    answer = await server.ask(
        "POST", "/v1/chat/completions", json_body={"model": "eye"} | openai(*parts)
    )
    assert answer.status == 400
    assert word in json.loads(answer.body)["error"]["message"]


async def test_only_users_show_images(box, server, seeing):
    serve(box, seeing)
    sent = {
        "model": "eye",
        "messages": [
            {"role": "system", "content": [image_url(SMALL)]},
            {"role": "user", "content": "x"},
        ],
    }
    answer = await server.ask("POST", "/v1/chat/completions", json_body=sent)
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["param"] == "messages[0].content[0]"


JPEG = b"\xff\xd8\xff\xe0\x00\x04AB\xff\xff\xc2\x00\x11\x08\x00\x20\x00\x40" + b"\0" * 12


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (SMALL, (32, 32)),
        (LARGE, (300, 200)),
        (b"GIF89a\x10\x00\x20\x00", (16, 32)),
        (b"BM" + b"\0" * 16 + b"\x05\0\0\0\xfb\xff\xff\xff", (5, 5)),
        (b"BM" + b"\0" * 12 + b"\x0c\0\0\0\x05\0\x07\0", (5, 7)),
        (JPEG, (64, 32)),
        (JPEG[:12], None),
        (b"BM", None),
        (b"", None),
        (b"\x89PNG\r\n\x1a\nxxxxIHDR", None),
    ],
)
def test_the_size_of_a_picture_is_known_before_it_is_decoded(data, found):
    assert pictures.size(data) == found
