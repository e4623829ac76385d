"""The official openai client asks for structured answers: gateway and runner are real processes."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import openai
import pytest
from msgspec.structs import replace
from pydantic import BaseModel, Field

from lmctl.base.spec import LoadSettings
from tests.contract.conftest import running_gateway
from tests.functional.runner.boxes import start
from tests.support.models import smollm2_async


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = Field(max_length=20)


class Home(BaseModel):
    owner: str = Field(pattern="^[A-Z][a-z]{2,8}$")
    pets: list[Cat | Dog] = Field(min_length=1, max_length=3)
    floor: int | None


ASKED = [{"role": "user", "content": "Describe a home with pets as JSON."}]


@pytest.fixture(params=["echo", pytest.param("llama.cpp", marks=pytest.mark.engine)])
async def asking(request, box):
    """A client of a runner of either engine; the second is a model of 135M parameters."""
    with TemporaryDirectory(prefix="lm") as folder:
        weights = Path(folder, "echo.json")
        weights.write_text("{}")
        if request.param != "echo":
            weights = await smollm2_async()
        load = LoadSettings(context_length=2048, threads=1)
        runner = start(Path(folder), weights, engine=request.param, load=load)
        try:
            await runner.ready()
            box.serve(replace(box.route("chat"), socket=runner.socket))
            box.health(chat="ready")
            async with running_gateway(box) as gateway, gateway.client() as client:
                yield client.with_options(timeout=100)
        finally:
            await runner.end()


async def test_a_pydantic_model_is_parsed(asking):
    answer = await asking.chat.completions.parse(
        model="chat", messages=ASKED, response_format=Home, temperature=1
    )

    home = answer.choices[0].message.parsed
    assert isinstance(home, Home)
    assert 1 <= len(home.pets) <= 3


async def test_a_streamed_json_object_is_an_object_when_it_is_complete(asking):
    stream = await asking.chat.completions.create(
        model="chat",
        messages=ASKED,
        response_format={"type": "json_object"},
        stream=True,
        max_tokens=300,
    )
    chunks = [chunk.choices[0] async for chunk in stream]

    text = "".join(each.delta.content or "" for each in chunks)
    assert text.startswith("{")
    if chunks[-1].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


async def test_other_servers_fields_go_in_the_extra_body(asking):
    said = {}
    for name, field in (("choice", ["red", "green"]), ("regex", "[0-9]{3}")):
        answer = await asking.chat.completions.create(
            model="chat", messages=ASKED, extra_body={"structured_outputs": {name: field}}
        )
        said[name] = answer.choices[0].message.content

    assert said["choice"] in {"red", "green"}
    assert len(said["regex"]) == 3
    assert said["regex"].isdigit()


@pytest.mark.parametrize(
    ("extra", "param", "words"),
    [
        (
            {"json_schema": {"properties": {"a": {"not": {}}}}},
            "response_format",
            "/properties/a/not",
        ),
        ({"grammar": 'root ::= "a'}, "grammar", "line 1, column 10"),
        ({"guided_regex": "("}, "regex", "unclosed group"),
    ],
)
async def test_what_cannot_be_kept_is_a_400_that_says_where(asking, extra, param, words):
    with pytest.raises(openai.BadRequestError, match=words) as caught:
        await asking.chat.completions.create(model="chat", messages=ASKED, extra_body=extra)

    assert caught.value.param == param
