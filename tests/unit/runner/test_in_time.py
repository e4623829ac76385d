"""A constrained answer is complete within its limit of tokens, where it can be."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Grammar, JsonDocument
from lmctl.runner.constraining import Constraining
from lmctl.runner.echo import END, EchoEngine, Script

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 5},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 2}},
        "home": {
            "type": "object",
            "properties": {"street": {"type": "string"}, "floor": {"type": ["integer", "null"]}},
            "required": ["street", "floor"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "age"],
}
SCHEMAS = [PERSON, {"type": "array", "items": PERSON, "minItems": 1}, {"type": "string"}]
SHORTEST = {0: 19, 1: 21, 2: 2}


@pytest.fixture(scope="module")
def constraining():
    made = Constraining(EchoEngine(Script(), LoadSettings()))
    yield made
    made.close()


def written(matcher, limit, chance):
    """Return what someone writes who takes any token there is, and how many there were."""
    text = bytearray()
    for _ in range(limit):
        bits = int.from_bytes(matcher.mask(), "little")
        token = matcher.accept(chance.choice([n for n in range(512) if bits >> n & 1]))
        if token == END:
            break
        text.append(token - 256)
        if matcher.ended:
            break
    return text.decode(errors="replace")


@pytest.mark.parametrize("number", SHORTEST)
def test_whoever_writes_without_thinking_of_the_end_comes_to_it_in_time(constraining, number):
    schema = SCHEMAS[number]
    chance = random.Random(number)
    limits = [SHORTEST[number] + extra for extra in (0, 1, 2, 3, 5, 8, 13, 40, 150)]

    for limit in limits:
        matcher = constraining.matcher(JsonDocument(schema), most=limit)
        text = written(matcher, limit, chance)

        assert len(text.encode()) <= limit
        jsonschema.validate(json.loads(text), schema)


def test_too_small_a_limit_leaves_the_answer_as_it_comes(constraining):
    matcher = constraining.matcher(JsonDocument(PERSON), most=10)

    assert len(written(matcher, 10, random.Random(1))) == 10


def test_a_grammar_is_completed_too(constraining):
    grammar = Grammar('root ::= "(" [a-z ]* root? ")"')

    text = written(constraining.matcher(grammar, most=60), 60, random.Random(3))

    assert text.count("(") == text.count(")")


def test_answers_of_one_grammar_go_on_beside_each_other_on_many_threads(constraining):
    """They share what the library learns of the grammar, behind a lock of its own."""
    forced = {"type": "object", "properties": {"a_long_name": {"enum": ["alpha", "beta"]}}}
    schema = {"type": "array", "items": forced | {"required": ["a_long_name"]}, "minItems": 3}

    def write(seed):
        matcher = constraining.matcher(JsonDocument(schema), most=150)
        return written(matcher, 150, random.Random(seed))

    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(write, range(60)))

    for text in texts:
        jsonschema.validate(json.loads(text), schema)
