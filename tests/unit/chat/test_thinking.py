"""What a template is told about thinking."""

import pytest

from lmctl.base.talk import Reasoning
from lmctl.chat.ability import ability
from lmctl.chat.thinking import level, variables
from lmctl.runner.format_files import shipped

FORMATS = shipped()
SWITCH = "{% if enable_thinking %}<think>{% endif %}"
EFFORT = "Reasoning: {{ reasoning_effort }}"
BUDGET = "{{ thinking_budget }}"


@pytest.mark.parametrize(
    ("template", "asked", "told"),
    [
        pytest.param(SWITCH, Reasoning(), {}, id="open"),
        pytest.param(SWITCH, Reasoning(enabled=True), {"enable_thinking": True}, id="on"),
        pytest.param(SWITCH, Reasoning(effort="none"), {"enable_thinking": False}, id="none"),
        pytest.param(SWITCH, Reasoning(effort="low"), {"enable_thinking": True}, id="low"),
        pytest.param(SWITCH, Reasoning(budget=0), {"enable_thinking": False}, id="no budget"),
        pytest.param(EFFORT, Reasoning(effort="high"), {"reasoning_effort": "high"}, id="effort"),
        pytest.param(EFFORT, Reasoning(effort="xhigh"), {"reasoning_effort": "high"}, id="next"),
        pytest.param(EFFORT, Reasoning(effort="none"), {}, id="no effort"),
        pytest.param(BUDGET, Reasoning(budget=512), {"thinking_budget": 512}, id="budget"),
        pytest.param("thinking", Reasoning(enabled=True), {}, id="only a word"),
    ],
)
def test_a_template_is_told_what_it_asks_for(template, asked, told):
    able = ability(template, FORMATS)

    assert variables(asked, able, FORMATS.thoughts, template=template) == told


@pytest.mark.parametrize(
    ("effort", "template", "known"),
    [
        ("minimal", "", "low"),
        ("xhigh", "{{ 'xhigh' }}", "xhigh"),
        ("minimal", '"minimal"', "minimal"),
        ("medium", "", "medium"),
    ],
)
def test_an_unknown_effort_becomes_the_next_below(effort, template, known):
    assert level(effort, template) == known
