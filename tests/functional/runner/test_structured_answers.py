"""A runner holds answers to their constraints, whatever the model would rather say."""

import asyncio
import json

import pytest

from lmctl.base.errors import BadRequest, EngineFailed
from lmctl.base.talk import Grammar, JsonDocument, OneOf, Pattern, ReasoningDelta
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import answer, chat

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "maximum": 9}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


async def test_what_fits_is_said_as_it_is_and_what_does_not_is_made_to_fit(echo):
    box = await echo(Script()).ready()
    said = '{"name": "Ada", "age": 5}'

    fits = await answer(box, chat(said, constraint=JsonDocument(PERSON)))
    made = await answer(box, chat("My name is Ada", constraint=JsonDocument(PERSON)))

    assert (fits.text, fits.end.reason) == (said, "stop")
    assert made.end.reason == "stop"
    assert set(json.loads(made.text)) == {"name", "age"}


@pytest.mark.parametrize(
    ("constraint", "said", "heard"),
    [
        (Grammar('root ::= "yes" | "no"'), "no!", "no"),
        (Pattern("[0-9]{3}"), "911, now", "911"),
        (OneOf(("red", "green")), "green", "green"),
        (JsonDocument({"const": "é😀"}), "", '"é😀"'),
        (JsonDocument(), "{}", "{}"),
    ],
)
async def test_every_kind_of_constraint(echo, constraint, said, heard):
    box = await echo(Script()).ready()

    told = await answer(box, chat(said, constraint=constraint))

    assert (told.text, told.end.reason) == (heard, "stop")


async def test_a_model_thinks_freely_before_it_is_held(echo):
    template = (
        "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    )
    thinks = Script(reply="So, {well}?</think>\n\nAda", chat_template=template + "<think>")
    box = await echo(thinks).ready()

    told = await answer(box, chat("?", constraint=JsonDocument(PERSON)))

    thought = "".join(each.text for each in told.events if isinstance(each, ReasoningDelta))
    assert thought == "So, {well}?"
    assert set(json.loads(told.text)) == {"name", "age"}


async def test_limits_and_stop_strings_end_a_constrained_answer_too(echo):
    box = await echo(Script(reply='{"name": "Ada", "age": 5}')).ready()

    cut = await answer(box, chat("?", constraint=JsonDocument(PERSON), max_tokens=4))
    stopped = await answer(box, chat("?", constraint=JsonDocument(PERSON), stop=('"age"',)))

    assert (cut.text, cut.end.reason) == ('{"na', "length")
    assert (stopped.text, stopped.end.stop_string) == ('{"name": "Ada", ', '"age"')


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (JsonDocument({"properties": {"a": {"not": {}}}}), "`/properties/a/not` is not supported"),
        (Grammar('root ::= "a'), "line 1, column 10"),
        (Grammar("start: a", "lark"), "line 1, column 8"),
        (Pattern("("), "unclosed"),
    ],
)
async def test_a_bad_constraint_is_the_asker_s_fault_and_harms_nobody(echo, constraint, words):
    box = await echo(Script()).ready()

    with pytest.raises(BadRequest, match=words):
        await answer(box, chat("hi", constraint=constraint))

    assert (await answer(box, chat("hi"))).text == "hi"


async def test_free_and_constrained_answers_go_on_beside_each_other(echo):
    box = await echo(Script(), parallel=4).ready()
    asked = [
        chat("a b c"),
        chat('{"name": "A", "age": 1}', constraint=JsonDocument(PERSON)),
        chat('{"name": "B", "age": 2}', constraint=JsonDocument(PERSON)),
        chat("yes", constraint=OneOf(("yes", "no"))),
    ]

    told = await asyncio.gather(*(answer(box, call) for call in asked * 3))

    said = ["a b c", '{"name": "A", "age": 1}', '{"name": "B", "age": 2}', "yes"]
    assert [each.text for each in told] == said * 3


async def test_an_answer_that_becomes_too_hard_to_follow_breaks_off_as_an_error(echo):
    """It is not passed off as complete, and the others do not notice."""
    box = await echo(Script(reply="xyz")).ready()
    many = " ".join(f"s{n}?" for n in range(1200))
    rules = "".join(f's{n}: "{n}" "!"\n' for n in range(1200))
    grammar = Grammar(f'start: "x" "y" {many}\n{rules}', "lark")

    with pytest.raises(EngineFailed, match="could not be held to its grammar any longer"):
        await answer(box, chat("?", constraint=grammar))

    assert (await answer(box, chat("?"))).text == "xyz"
