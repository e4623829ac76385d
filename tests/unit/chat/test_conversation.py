"""What a model reads of a conversation with tools, and how its answer will be read."""

from datetime import UTC, datetime

import pytest

from lmctl.base.talk import Chat, Message, Reasoning, Tool, ToolCall, ToolChoice
from lmctl.chat.conversation import conversation
from lmctl.chat.template import Markers
from lmctl.runner.format_files import shipped
from tests.support.written import heard

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PLAIN = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
HERMES = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<tool_call>"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "</tool_call>{% endfor %}\n{% endfor %}<assistant>"
)
KIMI = (
    "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}{% for message in messages %}"
    "<{{ message.role }}>{{ message.tool_call_id }} {{ message.content }}"
    "{% for call in message.tool_calls or [] %}<|tool_calls_section_begin|><|tool_call_begin|>"
    "{{ call.id }}<|tool_call_argument_begin|>{{ call.function.arguments | tojson }}"
    "<|tool_call_end|><|tool_calls_section_end|>{% endfor %}{% endfor %}"
)
ADD = Tool("my add.er", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}})
ASKED = Message("user", "1 and 1?")
CALLED = Message("assistant", "Hm.", tool_calls=(ToolCall("123456789", "my add.er", '{"a": 1}'),))
ANSWERED = Message("tool", "2", tool_call_id="123456789")


def rendered(template, *messages, **chat):
    return conversation(
        Chat(messages, **chat), template, now=NOW, markers=Markers(), formats=shipped()
    )


def test_a_template_without_tools_has_them_described():
    prompt = rendered(PLAIN, Message("system", "Be kind."), ASKED, tools=(ADD,)).prompt

    assert prompt.startswith("<system>Be kind.\n\nYou can call tools.")
    assert '{"name": "myadder", "description": "Add.", "parameters"' in prompt
    assert '[TOOL_REQUEST]{"name": "name of the tool"' in prompt


def test_calls_and_results_become_plain_turns_where_the_template_has_none():
    more = Message("user", "Thanks.")

    prompt = rendered(PLAIN, ASKED, CALLED, ANSWERED, ANSWERED, more).prompt

    assert prompt == (
        "<user>1 and 1?\n"
        '<assistant>Hm.\n[TOOL_REQUEST]{"name": "myadder", "arguments": {"a": 1}}[END_TOOL_REQUEST]\n'
        "<user>[TOOL_RESULT]2[END_TOOL_RESULT]\n[TOOL_RESULT]2[END_TOOL_RESULT]\nThanks.\n"
        "<assistant>"
    )


def test_a_template_with_tools_keeps_them_and_the_turns():
    prompt = rendered(HERMES, ASKED, CALLED, ANSWERED, tools=(ADD,)).prompt

    assert '"function": {"name": "myadder"' in prompt
    assert '<tool_call>{"name": "myadder", "arguments": {"a": 1}}</tool_call>' in prompt
    assert "<tool>2" in prompt


@pytest.mark.parametrize(
    ("mark", "written"),
    [
        (
            "<|tool_call|>",
            '<|tool_call|>[{"name": "myadder", "arguments": {"a": 1}}]<|/tool_call|>',
        ),
        ("<|tool_list_start|>", "<|tool_call_start|>[myadder(a=1)]<|tool_call_end|>"),
    ],
    ids=["granite", "lfm2"],
)
def test_calls_are_written_for_a_template_that_shows_only_tools(mark, written):
    template = f"{mark}{{% for tool in tools or [] %}}{{{{ tool | tojson }}}}{{% endfor %}}" + PLAIN

    prompt = rendered(template, ASKED, CALLED, ANSWERED, tools=(ADD,)).prompt

    assert '"function": {"name": "myadder"' in prompt
    assert f"<assistant>Hm.{written}" in prompt
    assert "<tool>2" in prompt


def test_no_choice_hides_the_tools():
    found = rendered(HERMES, ASKED, tools=(ADD,), tool_choice=ToolChoice("none"))

    assert "adder" not in found.prompt
    text = '<tool_call>{"name": "myadder", "arguments": {}}</tool_call>'
    assert heard(found.reading, text).text == text


def test_an_answer_calls_the_tool_by_its_own_name():
    found = rendered(HERMES, ASKED, tools=(ADD,))

    answer = heard(found.reading, '<tool_call>{"name": "myadder", "arguments": {}}</tool_call>')

    assert answer.calls == [["my add.er", "{}"]]


def test_kimi_is_told_its_own_ids():
    prompt = rendered(KIMI, ASKED, CALLED, ANSWERED, tools=(ADD,)).prompt

    assert "<|tool_call_begin|>functions.myadder:0<|tool_call_argument_begin|>" in prompt
    assert "<tool>functions.myadder:0 2" in prompt


@pytest.mark.parametrize(
    ("naming", "told"),
    [
        ("removeSpecial", "myadder"),
        ("passThrough", "my add.er"),
        ("snakeCase", "my_add_er"),
        ("camelCase", "myAddEr"),
    ],
)
def test_names_are_told_as_the_setting_says(naming, told):
    found = rendered(PLAIN, ASKED, tools=(ADD,), tool_naming=naming)

    assert f'{{"name": "{told}"' in found.prompt


def test_names_that_become_the_same_are_told_apart():
    other = Tool("my.add.er")

    found = rendered(PLAIN, ASKED, tools=(ADD, other, Tool("…")))

    assert {told: each.name for told, each in found.reading.tools.items()} == {
        "myadder": "my add.er",
        "myadder_2": "my.add.er",
        "tool": "…",
    }


def test_a_prompt_that_opens_a_thought_is_read_from_within_it():
    found = rendered(PLAIN + "<think>\n", ASKED)

    answer = heard(found.reading, "Hm.\n</think>\n\nTwo.")

    assert (answer.thought, answer.text) == ("Hm.", "Two.")


@pytest.mark.parametrize(
    ("template", "end"),
    [
        pytest.param(PLAIN, "<assistant>", id="none"),
        pytest.param(PLAIN + "<think>\n", "<think>\n\n</think>\n\n", id="opened"),
        pytest.param(
            PLAIN + "{{ '' if messages else '<think>' }}", "<think>\n\n</think>\n\n", id="its own"
        ),
        pytest.param(
            PLAIN + "{% if enable_thinking %}<think>{% endif %}", "<assistant>", id="variable"
        ),
    ],
)
def test_off_is_off(template, end):
    prompt = rendered(template, ASKED, reasoning=Reasoning(enabled=False)).prompt

    assert prompt.endswith(end)
    assert prompt.count("<think>") == end.count("<think>")
