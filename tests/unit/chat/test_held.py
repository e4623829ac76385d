"""Answers that may say anything, and whose calls are what the tools' schemas allow."""

import random

import msgspec
import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Grammar, Tool
from lmctl.chat.forced import forced
from lmctl.chat.held import held
from lmctl.chat.parse.calls import Offered
from lmctl.chat.parse.parser import Reading
from lmctl.chat.structured import compiled
from lmctl.chat.writing import Written
from tests.support.call_grammars import WAYS, marked, numbers, vocabulary_of, way_of, written
from tests.support.written import BY_NAME, FORMATS, arguments, heard

HELD = [each for each in WAYS if each.values[1] is not None]


def tool(*cities, name="weather"):
    city = {"type": "string", "enum": list(cities)}
    schema = {"type": "object", "properties": {"city": city}, "required": ["city"]}
    return Tool(name, parameters={**schema, "additionalProperties": False}, strict=True)


class Tried:
    """One family's grammar: `takes` says how far a text is allowed, and whether it may end there."""

    def __init__(self, form, frame, *, single=False):
        self.pieces, self.names = marked(form)
        self.way, self.tokens = way_of(form, frame), numbers(self.names)
        self._vocabulary = vocabulary_of(self.pieces)
        grammar = held(self.way, [tool("Oslo", "Rome")], self.tokens, single=single)
        self._state = compiled(Grammar(grammar, "lark"), self._vocabulary.compile)

    def call(self, *cities, seed=0):
        """Return some call of the tool with one of these cities."""
        grammar = forced(self.way, [tool(*cities)], self.tokens, single=True)
        state = compiled(Grammar(grammar, "lark"), self._vocabulary.compile)
        return written(state, self.pieces, self.names, random.Random(seed))

    def takes(self, text):
        state, end = self._state.fork(), len(self.pieces) - 1
        for token in self._tokenized(text):
            state.fill()
            if not state.allows(token):
                return False
            state.take(token)
            if state.ended:
                return True
        state.fill()
        return state.allows(end)

    def _tokenized(self, text):
        marks = sorted(self.tokens, key=len, reverse=True)
        while text:
            mark = next((each for each in marks if text.startswith(each)), None)
            if mark is not None:
                yield self.tokens[mark]
                text = text.removeprefix(mark)
            else:
                yield from text[0].encode()
                text = text[1:]


@pytest.mark.parametrize(("form", "frame"), HELD)
def test_text_is_free_and_a_call_is_what_its_schema_allows(form, frame):
    tried = Tried(form, frame)
    bare = not (tried.way.opened or tried.way.frame.begin)
    before = "" if bare else "I will look. "
    for text in ("", "Hello, world!", "a < b [1] {x}", "1\n2\n", "Grüße"):
        assert tried.takes(text), text
    for seed in range(3):
        good, bad = (tried.call(*each, seed=seed) for each in (("Oslo", "Rome"), ("Bonn",)))
        assert tried.takes(before + good), good
        assert not tried.takes(before + bad), bad

        only = msgspec.structs.replace(form, frames=(frame,))
        offered = {"weather": Offered("weather", tool("Oslo").parameters)}
        found = heard(Reading((only,), tools=offered), *(before + good))
        assert [name for name, _ in arguments(found)] == ["weather"]
        assert found.text.strip() == before.strip()


@pytest.mark.parametrize(("form", "frame"), HELD)
def test_a_call_in_json_of_no_format_is_held_too(form, frame):
    tried = Tried(form, frame)
    for before in ("", "Here: "):
        for city, allowed in (("Oslo", True), ("Bonn", False)):
            call = f'{{"name": "weather", "arguments": {{"city": "{city}"}}}}'
            assert tried.takes(before + call) is allowed, before + call
    assert tried.takes('Here: {"name": "somebody", "city": "Bonn"}')


@pytest.mark.parametrize("family", ["hermes", "mistral", "qwen-coder", "kimi"])
def test_a_single_call_ends_the_answer_and_several_go_on(family):
    form = BY_NAME[family]
    one, several = (Tried(form, form.frames[0], single=each) for each in (True, False))
    call = one.call("Oslo").strip()
    assert one.takes(f"Well. {call}")
    assert several.takes(f"Well. {call}")
    assert several.takes(f"Well. {call} Done.")


def test_a_model_that_may_think_as_it_likes_does():
    form = BY_NAME["hermes"]
    grammar = held(
        Written(form.frames[0]), [tool("Oslo")], {"<think>": 256, "</think>": 257}, single=True
    )
    assert "FREE <[256]>" in grammar
    assert "FREE <[257]>" in grammar


def test_a_schema_that_cannot_be_held_to_is_refused():
    odd = Tool("odd", parameters={"type": "object", "properties": {"a": {"not": {}}}}, strict=True)
    with pytest.raises(BadRequest, match="not"):
        held(Written(FORMATS.plain.frames[0]), [odd], {}, single=False)
