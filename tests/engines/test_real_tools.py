"""Qwen2.5-Coder 0.5B calls tools: it writes bare or fenced JSON by itself, its own tags when it must."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import (
    Call,
    Chat,
    Message,
    Sampling,
    Tool,
    ToolCall,
    ToolCallEnded,
    ToolCallStarted,
    ToolChoice,
)
from tests.functional.runner.boxes import answer, start
from tests.support.models import qwen_coder

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
WEATHER = Tool("get.current weather", "Get the current weather of a city.", CITY)
CLOCK = Tool("clock", "Tell the time.", {"type": "object", "additionalProperties": False})
ASKED = Message("user", "What is the weather in Paris, in celsius? Use the tool.")


@pytest.fixture(scope="module")
def weights():
    return qwen_coder()


@pytest.fixture
async def box(weights):
    with TemporaryDirectory(prefix="lm") as folder:
        load = LoadSettings(context_length=2048, parallel=1, threads=1)
        found = start(Path(folder), weights, engine="llama.cpp", load=load)
        try:
            yield await found.ready()
        finally:
            await found.end()


def ask(*messages, choice, tools=(WEATHER, CLOCK)):
    chat = Chat(messages, tools=tools, tool_choice=choice)
    return Call("call-1", chat, sampling=Sampling(temperature=0.0), max_tokens=120)


def calls(told):
    begun = [each for each in told.events if isinstance(each, ToolCallStarted)]
    ended = [each for each in told.events if isinstance(each, ToolCallEnded)]
    return [(a.name, json.loads(b.arguments)) for a, b in zip(begun, ended, strict=True)]


async def test_a_small_model_calls_tools_by_itself_and_when_it_must(box):
    free = await answer(box, ask(ASKED, choice=ToolChoice()))
    must = await answer(box, ask(ASKED, choice=ToolChoice("required", parallel=False)))
    named = await answer(box, ask(ASKED, choice=ToolChoice("required", "clock", parallel=False)))

    paris = ("get.current weather", {"city": "Paris", "unit": "celsius"})
    assert calls(free) == [paris]
    assert calls(must) == [paris]
    assert calls(named) == [("clock", {})]
    for told in (free, must, named):
        assert (told.text, told.end.reason) == ("", "tool_calls")


async def test_a_strict_tool_gets_what_its_schema_allows_though_the_model_decides(box):
    rome = {**CITY, "properties": {**CITY["properties"], "city": {"enum": ["Rome"]}}}
    strict = Tool(WEATHER.name, WEATHER.description, rome, strict=True)
    told = await answer(box, ask(ASKED, choice=ToolChoice(), tools=(strict, CLOCK)))
    hello = Message("user", "Say hello.")
    said = await answer(box, ask(hello, choice=ToolChoice(), tools=(strict, CLOCK)))

    assert calls(told) == [(WEATHER.name, {"city": "Rome", "unit": "celsius"})]
    assert all(given in ({}, {"city": "Rome", "unit": "celsius"}) for _, given in calls(said))


async def test_a_small_model_answers_from_a_result(box):
    call = ToolCall("123456789", WEATHER.name, '{"city": "Paris", "unit": "celsius"}')
    called = Message("assistant", tool_calls=(call,))
    result = Message("tool", '{"temperature": 31, "sky": "clear"}', tool_call_id=call.id)

    then = Message("user", "So how many degrees is it? Answer with one sentence.")

    told = await answer(box, ask(ASKED, called, result, then, choice=ToolChoice("none")))

    assert calls(told) == []
    assert "31" in told.text
