"""A chat template from settings: Jinja, or prefixes and suffixes, with stop strings of its own."""

from datetime import UTC, datetime

import pytest

from lmctl.base.talk import Chat, Message, Prompt, Tool
from lmctl.chat.conversation import conversation
from lmctl.chat.effective import PREFIX, effective
from lmctl.chat.own_template import own_template
from lmctl.chat.template import Markers
from lmctl.runner.format_files import shipped

THEN = datetime(2026, 1, 1, tzinfo=UTC)
TURNS = (
    Message("system", "Be {{ kind }}."),
    Message("user", "hi"),
    Message("assistant", "hello"),
    Message("user", "bye"),
)
ALPACA = {
    "beforeSystem": "",
    "afterSystem": "\n\n",
    "beforeUser": "### Instruction:\n",
    "afterUser": "\n",
    "beforeAssistant": "### Response:\n",
    "afterAssistant": "\n",
}


def manual(*, stops=(), **pieces):
    return {"type": "manual", "manualPromptTemplate": pieces, "stopStrings": list(stops)}


def written(value, messages=TURNS, **more):
    text, _ = own_template(value)
    chat = Chat(messages, **more)
    return conversation(chat, text, now=THEN, markers=Markers(), formats=shipped()).prompt


def test_prefixes_stand_around_their_turns_and_before_the_answer():
    assert written(manual(**ALPACA)) == (
        "Be {{ kind }}.\n\n### Instruction:\nhi\n### Response:\nhello\n"
        "### Instruction:\nbye\n### Response:\n"
    )


@pytest.mark.parametrize(
    "text",
    ["{{ 7 * 7 }}", '"quoted" \\ back\\n', "{% raw %}", "\n\t ends \n", "Grüße 🙂 \u2028", "#}{#"],
)
def test_whatever_a_prefix_holds_is_written_as_it_is(text):
    assert written(manual(beforeUser=text, afterUser=text), (Message("user", "hi"),)) == (
        f"{text}hi{text}"
    )


def test_a_piece_that_is_left_out_is_empty():
    assert written(manual(beforeUser="Q: ")) == "Be {{ kind }}.Q: hihelloQ: bye"


def test_tools_are_described_where_a_template_of_prefixes_has_no_place_for_them():
    prompt = written(manual(**ALPACA), tools=(Tool("clock", "Tells the time."),))
    assert "Tells the time." in prompt
    assert prompt.index("Tells the time.") < prompt.index("### Instruction:")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param(None, ("", ()), id="nothing"),
        pytest.param({"stopStrings": ["###", ""]}, ("", ("###",)), id="only where to stop"),
        pytest.param({"jinjaPromptTemplate": {"template": "x"}}, ("x", ()), id="no type"),
        pytest.param(
            {"type": "jinja", "jinjaPromptTemplate": {"template": "x"},
             "manualPromptTemplate": ALPACA}, ("x", ()), id="jinja with prefixes beside",
        ),
        pytest.param({"type": "manual"}, ("", ()), id="manual without prefixes"),
    ],
)  # fmt: skip
def test_what_a_setting_says(value, wanted):
    assert own_template(value) == wanted


def test_the_strongest_layer_has_the_template_and_its_stops_join_those_of_the_request():
    strong = {
        PREFIX + "promptTemplate": manual(stops=["###"], **ALPACA),
        PREFIX + "stopStrings": ["END"],
    }
    weak = {PREFIX + "promptTemplate": {"jinjaPromptTemplate": {"template": "x"}}}
    settings = effective({}, strong, weak)
    call = settings.call("1", Chat(TURNS))
    assert call.stop == ("END", "###")
    assert call.input.template.text == own_template(strong[PREFIX + "promptTemplate"])[0]
    assert effective({}, weak).call("1", Chat(TURNS)).input.template.text == "x"


def test_a_raw_prompt_knows_no_template():
    settings = effective({PREFIX + "promptTemplate": manual(stops=["###"], **ALPACA)})
    assert settings.call("1", Prompt("hi")).stop == ()
