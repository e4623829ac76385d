"""Answers that follow the grammar of calls are read back as calls that the tools' schemas allow."""

import random

import pytest
from jsonschema import Draft202012Validator

from lmctl.base.talk import Grammar, Tool
from lmctl.chat.forced import forced
from lmctl.chat.masks import Vocabulary
from lmctl.chat.parse.calls import Offered
from lmctl.chat.parse.parser import Reading
from lmctl.chat.structured import compiled
from lmctl.chat.writing import Written
from tests.support.call_grammars import (
    BYTES,
    WAYS,
    marked,
    numbers,
    vocabulary_of,
    way_of,
    written,
)
from tests.support.written import BY_NAME, FORMATS, arguments, heard

PLACE = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Oslo", "Rome"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "deep": {
            "type": "object",
            "properties": {"a": {"type": "boolean"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
    "required": ["city"],
    "additionalProperties": False,
}
NONE = {"type": "object", "additionalProperties": False}
TOOLS = (Tool("weather", parameters=PLACE), Tool("now", parameters=NONE))
SCHEMAS = {each.name: each.parameters for each in TOOLS}


@pytest.mark.parametrize("single", [True, False], ids=["one", "several"])
@pytest.mark.parametrize(("form", "frame"), WAYS)
def test_what_the_grammar_allows_is_read_as_calls(form, frame, single):
    pieces, names = marked(form)
    grammar = forced(way_of(form, frame), TOOLS, numbers(names), single=single)
    state = compiled(Grammar(grammar, "lark"), vocabulary_of(pieces).compile)
    offered = {each.name: Offered(each.name, each.parameters) for each in TOOLS}
    how = Reading((form, FORMATS.plain, FORMATS.lenient), channels=form.channels, tools=offered)

    read = 0
    for seed in range(12):
        text = written(state, pieces, names, random.Random(seed))
        if text is None:
            continue
        found = heard(how, *text)
        assert found.calls, text
        assert not found.text.strip(), text
        assert len(found.calls) == 1 or not single
        for name, given in arguments(found):
            Draft202012Validator(SCHEMAS[name]).validate(given)
        read += 1
    assert read >= 6


@pytest.mark.parametrize("family", ["hermes", "llama3", "harmony", "mistral"])
def test_an_answer_may_be_a_document_instead(family):
    form = BY_NAME[family]
    vocabulary = Vocabulary([*BYTES, b""], [len(BYTES)])
    document = '{"answer": 4}'
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}}
    head = "<|channel|>final<|message|>" if form.channels else ""
    way = way_of(form, (form.frames or (None,))[0])

    grammar = forced(way, TOOLS, {}, single=True, otherwise=schema)
    state = compiled(Grammar(grammar, "lark"), vocabulary.compile)

    for byte in (head + document).encode():
        state.fill()
        assert state.words[byte // 32] >> (byte % 32) & 1
        state.take(byte)
    state.fill()
    assert state.words[len(BYTES) // 32] >> (len(BYTES) % 32) & 1


def test_a_document_in_channels_has_its_header():
    channels = BY_NAME["harmony"].channels

    grammar = forced(channels, (), {}, single=True, otherwise=True)

    assert 'r0: "<|channel|>final<|message|>" %json {}' in grammar


def test_a_schema_that_cannot_be_followed_still_gives_an_object():
    tool = Tool("odd", parameters={"type": "object", "properties": {"a": {"not": {}}}})

    grammar = forced(Written(FORMATS.plain.frames[0]), (tool,), {}, single=True)

    assert '%json {"type": "object"}' in grammar
