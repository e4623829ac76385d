"""A call that must be made is made, in the model's format and by the tool's schema."""

import json

import msgspec
import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.talk import (
    Call,
    Chat,
    JsonDocument,
    Message,
    Reasoning,
    Tool,
    ToolCallEnded,
    ToolCallStarted,
    ToolChoice,
)
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import answer

DIGIT = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 9}},
    "required": ["n"],
    "additionalProperties": False,
}
TOOLS = (Tool("set.digit", "Sets it.", DIGIT), Tool("other", "Does else.", DIGIT))
OPENED = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "<|assistant|><think>\n"
)


def ask(choice, *, tools=TOOLS, text="no thank you", **reasoning):
    chat = Chat(
        (Message("user", text),),
        tools=tools,
        tool_choice=choice,
        reasoning=Reasoning(**reasoning),
    )
    return Call("call-1", chat, max_tokens=400)


def calls(told):
    begun = [each for each in told.events if isinstance(each, ToolCallStarted)]
    ended = [each for each in told.events if isinstance(each, ToolCallEnded)]
    return [(a.name, json.loads(b.arguments)) for a, b in zip(begun, ended, strict=True)]


async def test_a_named_tool_is_called_whatever_the_model_would_say(echo):
    box = await echo(Script()).ready()

    told = await answer(box, ask(ToolChoice("required", "other", parallel=False)))

    ((name, given),) = calls(told)
    assert name == "other"
    assert 3 <= given["n"] <= 9
    assert (told.text, told.end.reason) == ("", "tool_calls")


async def test_some_tool_is_called_by_its_own_name(echo):
    box = await echo(Script()).ready()

    told = await answer(box, ask(ToolChoice("required", parallel=False)))

    ((name, given),) = calls(told)
    assert name in {"set.digit", "other"}
    assert 3 <= given["n"] <= 9


async def test_a_model_may_think_before_a_call_that_must_be_made(echo):
    box = await echo(Script(chat_template=OPENED)).ready()
    text = "one two three </think> I will not."

    told = await answer(box, ask(ToolChoice("required", "other", parallel=False), text=text))

    assert [name for name, _ in calls(told)] == ["other"]
    assert told.end.usage.reasoning_tokens >= 4
    assert told.text == ""


async def test_a_document_or_a_call_where_both_are_asked_for(echo):
    box = await echo(Script()).ready()
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = JsonDocument(schema)
    call = '[TOOL_REQUEST]{"name": "other", "arguments": {"n": 4}}[END_TOOL_REQUEST]'

    said = msgspec.structs.replace(ask(ToolChoice(), text='{"n": 77}'), constraint=wanted)
    called = msgspec.structs.replace(ask(ToolChoice(), text=call), constraint=wanted)
    document, tool = await answer(box, said), await answer(box, called)

    assert (json.loads(document.text), calls(document)) == ({"n": 77}, [])
    assert (tool.text, calls(tool)) == ("", [("other", {"n": 4})])


async def test_a_strict_schema_that_cannot_be_followed_is_refused(echo):
    box = await echo(Script()).ready()
    schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    strict = Tool("odd", parameters=schema, strict=True)

    with pytest.raises(BadRequest, match="not"):
        await answer(box, ask(ToolChoice("required"), tools=(strict,)))


STRICT = (msgspec.structs.replace(TOOLS[0], strict=True), TOOLS[1])
SAID = 'I try. [TOOL_REQUEST]{"name": "other", "arguments": {"n": 77}}[END_TOOL_REQUEST] Done.'


async def test_a_strict_tool_gets_what_its_schema_allows_when_the_model_decides_to_call(echo):
    box = await echo(Script()).ready()

    loose = await answer(box, ask(ToolChoice(), text=SAID))
    told = await answer(box, ask(ToolChoice(), tools=STRICT, text=SAID))

    assert calls(loose) == [("other", {"n": 77})]
    ((name, given),) = calls(told)
    assert name == "other"
    assert 3 <= given["n"] <= 9
    assert told.text.startswith("I try.")


async def test_without_a_call_a_strict_tool_changes_nothing(echo):
    box = await echo(Script()).ready()
    text = 'no thank you {"n": 77}'
    told = await answer(box, ask(ToolChoice(), tools=STRICT, text=text))
    cut = await answer(
        box, msgspec.structs.replace(ask(ToolChoice(), tools=STRICT, text=text), max_tokens=5)
    )

    assert (told.text, calls(told), told.end.reason) == (text, [], "stop")
    assert (cut.text, cut.end.reason) == ("no th", "length")


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"name": "other", "arguments": {"n": 77}}\n```',
        '{"name": "other", "parameters": {"n": 77}}',
        '{"arguments": {"n": 77}, "name": "other"}',
        '{"id": "1", "type": "function", "function": {"name": "other", "arguments": {"n": 77}}}',
    ],
    ids=["fenced", "bare", "arguments first", "nested"],
)
async def test_a_strict_call_in_json_of_no_format_is_held_too(echo, text):
    box = await echo(Script()).ready()

    loose = await answer(box, ask(ToolChoice(), text=text))
    told = await answer(box, ask(ToolChoice(), tools=STRICT, text=text))

    assert calls(loose) == [("other", {"n": 77})]
    assert all(3 <= given["n"] <= 9 for _, given in calls(told))


async def test_a_thought_is_free_where_a_tool_is_strict(echo):
    box = await echo(Script(chat_template=OPENED)).ready()
    told = await answer(box, ask(ToolChoice(), tools=STRICT, text=f"one two </think> {SAID}"))
    assert 3 <= calls(told)[0][1]["n"] <= 9
    assert told.end.usage.reasoning_tokens >= 2
