"""How each client's way to ask for a constrained answer reaches the runner."""

import pytest

from lmctl.base.talk import Grammar, JsonDocument, OneOf, Pattern
from tests.support.tiny_runner import tiny_runner

SCHEMA = {"type": "object", "properties": {"z": {}, "a": {"type": "integer"}}}
NAMED = {"name": "thing", "strict": True, "schema": SCHEMA}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, JsonDocument()),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, JsonDocument(SCHEMA)),
        ({"response_format": {"type": "json_schema", "json_schema": NAMED}}, JsonDocument(SCHEMA)),
        (
            {"response_format": {"type": "json_schema", "json_schema": NAMED | {"strict": "true"}}},
            JsonDocument(SCHEMA),
        ),
        ({"json_schema": SCHEMA}, JsonDocument(SCHEMA)),
        ({"grammar": 'root ::= "a"'}, Grammar('root ::= "a"', "gbnf")),
        ({"grammar": 'start: "a"'}, Grammar('start: "a"', "lark")),
        ({"grammar": ""}, None),
        ({"structured_outputs": {"json": SCHEMA}}, JsonDocument(SCHEMA)),
        ({"structured_outputs": {"json_object": True}}, JsonDocument()),
        ({"structured_outputs": {"regex": "a+"}}, Pattern("a+")),
        ({"structured_outputs": {"choice": ["a", "b"]}}, OneOf(("a", "b"))),
        ({"guided_json": SCHEMA}, JsonDocument(SCHEMA)),
        ({"guided_regex": "a+"}, Pattern("a+")),
        ({"guided_choice": ["a", "b"]}, OneOf(("a", "b"))),
        ({"guided_grammar": 'root ::= "a"'}, Grammar('root ::= "a"', "gbnf")),
    ],
    ids=str,
)
async def test_openai_s_fields(server, runner, fields, constraint):
    chat = await server.chat(**fields)
    text = await server.ask("POST", "/v1/completions", json_body={"prompt": "a", **fields})

    assert (chat.status, text.status) == (200, 200)
    assert [call.constraint for call in runner.calls] == [constraint, constraint]


async def test_the_order_of_properties_is_kept(server, runner):
    await server.chat(json_schema=SCHEMA)

    assert list(runner.calls[0].constraint.json_schema["properties"]) == ["z", "a"]


@pytest.mark.parametrize(
    ("form", "constraint"),
    [
        (
            {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True},
            JsonDocument(SCHEMA),
        ),
        ({"type": "json_object"}, JsonDocument()),
        ({"type": "text"}, None),
    ],
)
async def test_responses_field(server, runner, form, constraint):
    body = {"model": "chat", "input": "a", "store": False, "text": {"format": form}}

    answer = await server.ask("POST", "/v1/responses", json_body=body)

    assert answer.status == 200
    assert runner.calls[0].constraint == constraint


@pytest.mark.parametrize("field", ["output_format", "output_config"])
async def test_anthropic_s_field(server, runner, field):
    form = {"type": "json_schema", "schema": SCHEMA}
    body = {
        "model": "chat",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "a"}],
        field: form if field == "output_format" else {"format": form},
    }

    answer = await server.ask("POST", "/v1/messages", json_body=body)

    assert answer.status == 200
    assert runner.calls[0].constraint == JsonDocument(SCHEMA)


@pytest.mark.parametrize(
    ("declared", "fields", "constraint"),
    [
        ({"type": "json", "jsonSchema": SCHEMA}, {}, JsonDocument(SCHEMA)),
        ({"type": "gbnf", "gbnfGrammar": "root ::= [a]"}, {}, Grammar("root ::= [a]")),
        ({"type": "none"}, {}, None),
        ({"type": "json"}, {"response_format": {"type": "text"}}, None),
        ({"type": "json"}, {"guided_regex": "a"}, Pattern("a")),
    ],
)
async def test_what_an_instance_declares_holds_unless_a_request_says_otherwise(
    server, box, declared, fields, constraint
):
    box.serve(box.route(operation={"llm.prediction.structured": declared}))
    box.health(chat="ready")
    async with tiny_runner(box.socket()) as runner:
        await server.chat(**fields)

    assert runner.calls[0].constraint == constraint
