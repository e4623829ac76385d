"""Calls of tools nobody offered: told where the model writes calls and nothing else, else text."""

import pytest

from tests.support.written import BY_NAME, heard, reading

CALLS = [
    ("hermes", '<tool_call>\n{"name": "nope", "arguments": {"a": 1}}\n</tool_call>'),
    ("mistral", '[TOOL_CALLS]nope[ARGS]{"a": 1}'),
    (
        "qwen-coder",
        "<tool_call>\n<function=nope>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
    ),
    ("lfm2", "<|tool_call_start|>[nope(a=1)]<|tool_call_end|>"),
]


def framed(family):
    return tuple(each for each in BY_NAME[family].frames if each.begin)


@pytest.mark.parametrize(("family", "text"), CALLS)
def test_what_is_written_as_a_call_is_one_where_that_is_wanted(family, text):
    found = heard(reading(family, strangers=framed(family)), text)
    assert [name for name, _ in found.calls] == ["nope"]
    assert found.text == ""
    assert heard(reading(family, strangers=framed(family)), *text) == found


@pytest.mark.parametrize(("family", "text"), CALLS)
def test_it_is_text_where_it_is_not(family, text):
    assert heard(reading(family), text).calls == []


def test_json_that_only_looks_like_a_call_stays_text():
    text = '{"name": "nope", "arguments": {"a": 1}}'
    found = heard(reading("hermes", strangers=framed("hermes")), text)
    assert (found.text, found.calls) == (text, [])
