"""Real models, warm and random, held to schemas: what they complete is always right."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema
import pytest

from lmctl.adapters import runner_client
from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Grammar, JsonDocument, OneOf, Pattern, Sampling, TextDelta
from tests.functional.runner.boxes import Box, chat, start
from tests.support.models import qwen_coder

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

SHORT = {"type": "string", "maxLength": 12}
SCHEMAS = {
    "ranges": {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 18, "maximum": 99},
            "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "step": {"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 1000},
        },
        "required": ["age", "share", "step"],
        "additionalProperties": False,
    },
    "texts": {
        "type": "object",
        "properties": {
            "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "name": {"type": "string", "minLength": 3, "maxLength": 10},
            "day": {"type": "string", "format": "date"},
            "id": {"type": "string", "format": "uuid"},
            "host": {"type": "string", "format": "ipv4"},
        },
        "required": ["code", "name", "day", "id", "host"],
        "additionalProperties": False,
    },
    "choices": {
        "type": "object",
        "properties": {
            "colour": {"enum": ["red", "green", None, 7]},
            "kind": {"const": "thing"},
            "either": {"anyOf": [{"type": "boolean"}, {"type": "integer", "maximum": 9, "minimum": 0}]},
        },
        "required": ["colour", "kind", "either"],
        "additionalProperties": False,
    },
    "references": {
        "$defs": {
            "Point": {
                "type": "object",
                "properties": {"x": {"type": "integer", "minimum": -9, "maximum": 9}, "label": SHORT},
                "required": ["x"],
                "additionalProperties": False,
            }
        },
        "type": "array",
        "items": {"$ref": "#/$defs/Point"},
        "minItems": 1,
        "maxItems": 4,
    },
    "one of": {
        "$defs": {
            "Cat": {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["kind", "lives"], "additionalProperties": False},
            "Dog": {"type": "object", "properties": {"kind": {"const": "dog"}, "name": SHORT}, "required": ["kind", "name"], "additionalProperties": False},
        },
        "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
    },
    "free names": {
        "type": "object",
        "patternProperties": {"^n[a-z]{1,5}$": {"type": "integer", "minimum": 0, "maximum": 9}},
        "additionalProperties": False,
        "maxProperties": 3,
    },
    "all of": {
        "allOf": [
            {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            {"maxItems": 3, "items": {"minimum": 10, "maximum": 20}},
        ]
    },
    "a tuple": {"type": "array", "prefixItems": [SHORT, {"type": "boolean"}], "items": False, "minItems": 2},
}  # fmt: skip
CHECKER = jsonschema.FormatChecker()


@pytest.fixture(params=["49k", "152k"])
async def model(request, gguf: Path) -> AsyncIterator[Box]:
    """A small vocabulary and a large one, each in a runner with four sequences, and one thread: two
    that wait for each other beside other tests took ten times as long.
    """
    weights = gguf if request.param == "49k" else await asyncio.to_thread(qwen_coder)
    with TemporaryDirectory(prefix="lm") as folder:
        load = LoadSettings(context_length=1024, parallel=4, threads=1)
        found = start(Path(folder), weights, engine="llama.cpp", load=load, queue_deadline=600.0)
        try:
            yield await found.ready()
        finally:
            await found.end()


async def said(box, words, constraint, *, seed, most=500):
    """Return the text and how it ended; the model is as undecided as it can be."""
    sampling = Sampling(temperature=1.0, top_k=0, top_p=None, min_p=None, seed=seed)
    call = chat(words, constraint=constraint, sampling=sampling, max_tokens=most)
    events = [event async for event in runner_client.ask(box.socket, call)]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, events[-1].reason


async def test_every_completed_document_is_valid(model):
    asked = [(name, seed) for name in SCHEMAS for seed in (1, 2)]

    told = await asyncio.gather(
        *(
            said(model, f"Invent {name} as JSON.", JsonDocument(SCHEMAS[name]), seed=seed)
            for name, seed in asked
        )
    )

    assert [reason for _, reason in told] == ["stop"] * len(asked)
    for (name, _), (text, _) in zip(asked, told, strict=True):
        validator = jsonschema.Draft202012Validator(SCHEMAS[name], format_checker=CHECKER)
        validator.validate(json.loads(text))


async def test_a_document_is_complete_within_few_tokens(model):
    """Free texts, numbers and lists, which a model as undecided as this would go on with."""
    thing = {"type": "object", "additionalProperties": {"type": ["string", "array", "integer"]}}
    asked = [(thing, 8), (thing, 20), ({"type": "array", "items": thing, "minItems": 2}, 32)]

    told = await asyncio.gather(
        *(
            said(model, "Tell a long story.", JsonDocument(schema), seed=n, most=most)
            for n, (schema, most) in enumerate(asked)
        )
    )

    assert [reason for _, reason in told] == ["stop"] * len(asked)
    for (schema, _), (text, _) in zip(asked, told, strict=True):
        jsonschema.validate(json.loads(text), schema)


async def test_grammars_patterns_and_choices_hold_beside_free_answers(model):
    chess = (
        'root ::= ("1. " move " " move "\\n") ("2. " move " " move "\\n")?\nmove ::= [a-h] [1-8]\n'
    )
    (moves, _), (number, _), (colour, _), (free, _) = await asyncio.gather(
        said(model, "Play chess.", Grammar(chess), seed=1),
        said(model, "A phone number?", Pattern(r"\+[0-9]{2} [0-9]{3,6}"), seed=2),
        said(model, "Red or green?", OneOf(("red", "green")), seed=3),
        said(model, "Count to three.", None, seed=4),
    )

    assert re.fullmatch(r"(1\. [a-h][1-8] [a-h][1-8]\n)(2\. [a-h][1-8] [a-h][1-8]\n)?", moves)
    assert re.fullmatch(r"\+[0-9]{2} [0-9]{3,6}", number)
    assert colour in {"red", "green"}
    assert free
    with pytest.raises(BadRequest, match="line 1, column 10"):
        await said(model, "?", Grammar("root ::= nothing"), seed=1)
