import json
from datetime import UTC, datetime

import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Message, Tool, ToolCall
from lmctl.chat.template import Markers, render
from lmctl.chat.template_budget import LONGEST_TEXT

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
HELLO = (Message("system", "Be brief."), Message("user", "Hello"))
CALLED = (
    Message("user", "Weather?"),
    Message(
        "assistant",
        reasoning="look it up",
        tool_calls=(ToolCall("c1", "weather", '{"city": "Zürich", "days": 2}'),),
    ),
    Message("tool", "sunny", name="weather", tool_call_id="c1"),
)
TOOL = Tool("weather", parameters={"a": "<b> & 'c'"})
WRITTEN = {"type": "function", "function": {"name": "weather", "parameters": {"a": "<b> & 'c'"}}}


def show(template, messages=HELLO, **more):
    return render(template, messages, now=NOW, **more)


@pytest.mark.parametrize(
    ("template", "messages", "expected"),
    [
        pytest.param(
            "{% for m in messages %}<|{{ m.role }}|>{{ m['content'] }}\n{% endfor %}",
            HELLO,
            "<|system|>Be brief.\n<|user|>Hello\n",
            id="messages by attribute and by key",
        ),
        pytest.param(
            "  {% if true %}\nline\n  {% endif %}\nend", HELLO, "line\nend", id="block lines vanish"
        ),
        pytest.param(
            "{% for m in messages %}{% if m.role == 'user' %}{{ loop.index0 }}{% break %}{% endif %}"
            "{% continue %}{% endfor %}",
            HELLO,
            "1",
            id="break and continue",
        ),
        pytest.param(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}"
            "{{ ns.n }}",
            HELLO,
            "2",
            id="namespace",
        ),
        pytest.param(
            "{%- macro turn(m) -%}[{{ m.content | trim }}]{%- endmacro -%}"
            "{{ turn(messages[-1]) }}{{ messages[::-1] | length }}",
            HELLO,
            "[Hello]2",
            id="macro and slices",
        ),
        pytest.param(
            "{% for m in messages %}{{ loop.last }}{{ loop.length }}{{ loop.previtem is defined }} "
            "{% endfor %}",
            HELLO,
            "False2False True2True ",
            id="loop variables",
        ),
        pytest.param(
            "a{% generation %}{{ messages[0].content }}{% endgeneration %}b",
            HELLO,
            "aBe brief.b",
            id="generation block",
        ),
        pytest.param(
            "{{ strftime_now('%d %b %Y') }}", HELLO, "22 Nov 2026", id="the injected clock"
        ),
        pytest.param("{{ bos_token }}|{{ eos_token }}", HELLO, "<s>|</s>", id="markers"),
        pytest.param(
            "{% if tools %}tools{% else %}none{% endif %}", HELLO, "none", id="no tools are falsy"
        ),
        pytest.param(
            "{% for k, v in messages[1].tool_calls[0].function.arguments.items() %}{{ k }}={{ v }};"
            "{% endfor %}",
            CALLED,
            "city=Zürich;days=2;",
            id="arguments as a mapping",
        ),
        pytest.param(
            "{{ 'args: ' + messages[1].tool_calls[0]['function']['arguments'] + '.' }}",
            CALLED,
            'args: {"city": "Zürich", "days": 2}.',
            id="arguments glued to text",
        ),
        pytest.param(
            "{{ messages[1].tool_calls[0].function.arguments | tojson }}",
            CALLED,
            '{"city": "Zürich", "days": 2}',
            id="arguments as JSON",
        ),
        pytest.param(
            "{{ messages[1].reasoning_content }} {{ messages[2].tool_call_id }} {{ messages[2].name }}",
            CALLED,
            "look it up c1 weather",
            id="reasoning and tool answers",
        ),
        pytest.param(
            "{{ 'tool_calls' in messages[0] }}{{ messages[0].name is defined }}",
            CALLED,
            "FalseFalse",
            id="absent is absent",
        ),
        pytest.param(
            "{% set found = [] %}{% for m in messages %}{% set _ = found.append(m.role) %}{% endfor %}"
            "{{ found | join(',') }}",
            HELLO,
            "system,user",
            id="lists that collect",
        ),
    ],
)
def test_a_template_finds_what_templates_in_the_wild_expect(template, messages, expected):
    assert show(template, messages, markers=Markers("<s>", "</s>")) == expected


def test_tojson_writes_what_models_were_trained_on_without_html_escapes():
    assert show("{{ tools[0] | tojson }}", tools=[TOOL]) == json.dumps(WRITTEN)
    assert show("{{ tools[0] | tojson(indent=2) }}", tools=[TOOL]) == json.dumps(WRITTEN, indent=2)


def test_variables_reach_the_template_and_cannot_replace_its_standard_names():
    template = "{{ enable_thinking }}{{ messages | length }}"

    shown = show(template, variables={"enable_thinking": False, "messages": []})

    assert shown == "False2"


def test_the_generation_prompt_can_be_left_out():
    template = "{% if add_generation_prompt %}GO{% endif %}"

    assert (show(template), show(template, add_generation_prompt=False)) == ("GO", "")


def test_a_template_that_refuses_is_quoted():
    template = "{{ raise_exception('System role not supported') }}"

    with pytest.raises(BadRequest, match="System role not supported") as caught:
        show(template)

    assert caught.value.param == "messages"


def test_a_broken_template_names_its_line():
    with pytest.raises(BadRequest, match="line 2: "):
        show("fine\n{% if %}")


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("{% for i in range(10**9) %}x{% endfor %}", id="a huge range"),
        pytest.param(
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            id="nested loops",
        ),
        pytest.param(f"{{{{ 'x' * {LONGEST_TEXT + 1} }}}}", id="a long product"),
        pytest.param("{{ [0] * 10**8 }}", id="a long list"),
        pytest.param("{{ 9 ** 9 ** 9 ** 9 }}", id="a huge power"),
        pytest.param("{{ '%999999d' % 1 }}", id="a wide field"),
        pytest.param(
            "{% set n = namespace(x='x' * 1000000) %}{% for i in range(40) %}"
            "{% set n.x = n.x ~ n.x %}{% endfor %}",
            id="a text that doubles",
        ),
        pytest.param(
            "{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", id="much text bit by bit"
        ),
        pytest.param("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", id="endless recursion"),
        pytest.param("{{ ''.__class__.__mro__ }}", id="a look behind the curtain"),
        pytest.param("{{ messages.clear() }}", id="a change to the conversation"),
        pytest.param("{{ messages[9].content }}", id="a message that is not there"),
        pytest.param("{{ 1 + 'x' }}", id="a mistake"),
    ],
)
def test_a_template_that_misbehaves_is_a_bad_request(template):
    with pytest.raises(BadRequest, match="chat template"):
        show(template)
