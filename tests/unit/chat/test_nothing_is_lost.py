"""Whatever a model writes, each of its words comes out once, however the answer is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.written import BY_NAME, heard, reading

MARKS = sorted({mark for each in BY_NAME.values() for mark in each.marks()})
PIECES = [
    *MARKS,
    '{"name": "weather", "arguments": {"city": "',
    '{"name": "now", "parameters": {}}',
    '"}}',
    '{"city": "',
    "weather",
    "now",
    "functions.now:0",
    'weather(city="',
    '")',
    "call:",
    "{",
    "}",
    "[",
    "]",
    ",",
    '"',
    "\n",
    " ",
    "```",
    "<think>",
    "</think>",
    "</parameter>",
]


@st.composite
def answers(draw):
    """An answer of marks, pieces of calls and numbered words."""
    parts = draw(st.lists(st.sampled_from([*PIECES, None, None]), min_size=1, max_size=14))
    words = iter(range(len(parts)))
    return "".join(each if each is not None else f"w{next(words)}w" for each in parts)


@pytest.mark.parametrize("family", sorted(BY_NAME))
@settings(max_examples=60, deadline=None)
@given(text=answers(), cuts=st.lists(st.integers(1, 60), max_size=4))
def test_every_word_comes_out_once(family, text, cuts):
    how = reading(family)

    found = heard(how, text)

    told = [found.text, found.thought, *(each for call in found.calls for each in call)]
    for number in range(text.count("w") // 2):
        word = f"w{number}w"
        if word in text and not _hidden(text, word, family):
            assert sum(each.count(word) for each in told) == 1, (text, found)
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert heard(how, *pieces) == found
    assert heard(how, *text) == found


def _hidden(text, word, family):
    """A word in a header, or where a mark says that an id stands, is no text of the answer."""
    before, after = text.split(word)
    between = {
        "harmony": ("<|channel|>", "<|message|>"),
        "mistral": ("[CALL_ID]", "[ARGS]"),
        "solar": ("<|tool_call:begin|>", "<|tool_call:name|>"),
        "deepseek": ('<｜DSML｜parameter name="', ">"),
    }.get(family)
    return between is not None and between[0] in before and between[1] in after
