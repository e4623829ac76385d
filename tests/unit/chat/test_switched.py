"""What custom fields do to a conversation: variables of the template, words around the system prompt."""

from datetime import UTC, datetime

import pytest

from lmctl.base.custom_fields import CustomField, PromptWords, TemplateVariable
from lmctl.base.talk import Chat, Image, Message, Reasoning, Text
from lmctl.chat.conversation import conversation
from lmctl.chat.effective import PREFIX, effective
from lmctl.chat.template import Markers
from lmctl.runner.format_files import shipped

KEY = "ext.virtualModel.customField.acme.small."
PARENT = "ext.virtualModel.customField.acme.base."
USER = Message("user", "hi")
THINK = CustomField(
    "think", (KEY + "think", PARENT + "think"), "boolean", default=True,
    effects=(TemplateVariable("enable_thinking"),),
)  # fmt: skip
TERSE = CustomField(
    "terse", (KEY + "terse",), "boolean", default=False,
    effects=(PromptWords("Be brief.", before=True), PromptWords("Stop early.", before=False)),
)  # fmt: skip
STYLE = CustomField(
    "style", (KEY + "style",), "select", default="plain", options=("plain", "pirate"),
    effects=(TemplateVariable("style"),),
)  # fmt: skip


def chat_of(*layers, fields=(THINK, TERSE, STYLE), chat=None):
    return effective(*layers, fields=fields).chat(chat or Chat((USER,)))


def rendered(chat, template="{{ enable_thinking }} {{ style }} {{ messages[0].content }}"):
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return conversation(chat, template, now=then, markers=Markers(), formats=shipped()).prompt


def test_a_field_nobody_sets_has_its_default():
    assert rendered(chat_of({}, {})) == "True plain hi"


def test_the_first_layer_that_gives_a_value_wins_under_whichever_models_name():
    layers = ({}, {PARENT + "think": False, KEY + "style": "pirate"}, {KEY + "think": True})
    assert rendered(chat_of(*layers)) == "False pirate hi"


def test_a_value_the_field_cannot_have_is_passed_over():
    assert rendered(chat_of({}, {KEY + "style": "robot"}, {KEY + "style": "pirate"})).split()[
        1
    ] == ("pirate")


@pytest.mark.parametrize(
    ("messages", "prompt", "wanted"),
    [
        pytest.param((USER,), "", "Be brief.\nStop early.", id="none"),
        pytest.param((USER,), "Hello. ", "Be brief.\nHello. Stop early.", id="a setting"),
        pytest.param(
            (Message("system", "Mine."), USER), "Hello.", "Be brief.\nMine.\nStop early.", id="own"
        ),
    ],
)
def test_words_stand_around_the_system_prompt_there_is(messages, prompt, wanted):
    layer = {KEY + "terse": True, PREFIX + "systemPrompt": prompt}
    found = chat_of(layer, chat=Chat(messages)).messages
    assert [(each.role, each.content) for each in found] == [("system", wanted), ("user", "hi")]


def test_words_of_a_switch_that_is_off_stand_nowhere():
    own = (Message("system", "Mine."), USER)
    assert chat_of({KEY + "terse": False}, chat=Chat(own)).messages == own


def test_a_system_prompt_in_parts_keeps_them():
    picture = Image(b"x")
    chat = Chat((Message("system", (Text("a"), picture)), USER))
    found = chat_of({KEY + "terse": True}, chat=chat).messages[0].content
    assert found == (Text("Be brief."), Text("a"), picture, Text("Stop early."))


def test_thinking_a_request_asks_for_beats_a_field_nobody_set_in_it():
    off = Chat((USER,), reasoning=Reasoning(enabled=False))
    assert rendered(chat_of({}, {KEY + "think": True}, chat=off)).startswith("False")


def test_a_field_the_request_sets_beats_what_the_instance_says_of_thinking():
    instance = {PREFIX + "reasoning.enableThinking": True}
    assert rendered(chat_of({KEY + "think": False}, instance)).startswith("False")


def test_variables_the_request_gives_by_name_are_its_last_word():
    named = Chat((USER,), template_variables={"style": "formal"})
    assert rendered(chat_of({KEY + "style": "pirate"}, chat=named)).split()[1] == "formal"


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (THINK, (True, False), (1, "true", None)),
        (STYLE, ("plain",), ("robot", 3)),
        (CustomField("s", ("s",), "string"), ("", "x"), (1, None)),
        (CustomField("n", ("n",), "number", least=0, most=2), (0, 1.5, 2), (-1, 3, True, "1")),
        (CustomField("n", ("n",), "number", whole=True), (0, 2.0, -7), (1.5,)),
    ],
    ids=["boolean", "select", "string", "number", "whole number"],
)
def test_what_a_field_takes(field, good, bad):
    assert all(field.fits(each) for each in good)
    assert not any(field.fits(each) for each in bad)
