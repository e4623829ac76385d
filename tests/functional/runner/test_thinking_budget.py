"""A model that thinks is stopped when its budget is used up, and what it thought is counted."""

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Chat, Message, Reasoning, ReasoningDelta
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import answer

ALOUD = "one two three four five six </think> Done."
OPENED = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "<|assistant|><think>\n"
)


def ask(text, **reasoning):
    return Call("call-1", Chat((Message("user", text),), reasoning=Reasoning(**reasoning)))


def thought(told):
    return "".join(each.text for each in told.events if isinstance(each, ReasoningDelta))


@pytest.fixture
async def box(echo):
    return await echo(Script(chat_template=OPENED)).ready()


async def test_a_thought_is_told_and_counted_apart(box):
    told = await answer(box, ask(ALOUD))

    assert (thought(told), told.text) == ("one two three four five six", "Done.")
    assert told.end.usage.reasoning_tokens == 7
    assert told.end.usage.completion_tokens == 8


async def test_an_answer_that_is_all_thought_counts_no_token_twice(box):
    usage = (await answer(box, ask("one two <"))).end.usage

    assert usage.reasoning_tokens == usage.completion_tokens == 3


async def test_a_budget_ends_the_thought(box):
    told = await answer(box, ask("one two three four five six", budget=3))

    assert thought(told) == "one two three"
    assert told.end.usage.reasoning_tokens <= 6
    assert told.text  # the echo goes on with what it had to say


async def test_a_budget_ends_the_thought_with_words_if_it_is_given_some(echo):
    load = LoadSettings(thought_ending="Enough.")
    box = await echo(Script(chat_template=OPENED), load=load).ready()

    told = await answer(
        box, ask("one two three four five six seven eight nine ten eleven twelve", budget=3)
    )

    assert thought(told) == "one two three Enough."
    assert told.text


async def test_off_is_off(box):
    told = await answer(box, ask("one two", enabled=False))

    assert (thought(told), told.text) == ("", "one two")
    assert told.end.usage.reasoning_tokens == 0


async def test_thoughts_stay_in_the_content_where_that_is_wanted(box):
    told = await answer(box, ask(ALOUD, separate=False))

    assert told.text == "<think>one two three four five six </think> Done."
    assert thought(told) == ""


async def test_marks_can_be_others(echo):
    box = await echo(Script()).ready()

    told = await answer(box, ask("[hm] one [/hm] two", start="[hm]", end="[/hm]"))

    assert (thought(told), told.text) == ("one", "two")
