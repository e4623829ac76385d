"""Switches of a model, by a request in every dialect."""

import msgspec
import pytest

from lmctl.base.custom_fields import CustomField, PromptWords, TemplateVariable

KEY = "ext.virtualModel.customField.acme.tiny."
FIELDS = (
    CustomField(
        "think", (KEY + "think",), "boolean", default=True,
        effects=(TemplateVariable("enable_thinking"),),
    ),
    CustomField(
        "terse", (KEY + "terse",), "boolean", default=False,
        effects=(PromptWords("Be brief.", before=True),),
    ),
    CustomField("depth", (KEY + "depth",), "number", default=1, least=1, most=9, whole=True),
)  # fmt: skip


@pytest.fixture
def switched(box, runner):
    route = msgspec.structs.replace(
        box.route(operation={KEY + "terse": True}), custom_fields=FIELDS
    )
    box.serve(route, presets={"loud": {KEY + "terse": False}})
    return runner


def said(call):
    return [(each.role, each.content) for each in call.input.messages]


async def test_a_request_beats_its_preset_and_that_the_instance(server, switched):
    await server.chat()
    await server.chat(preset="loud")
    await server.chat(preset="loud", custom_fields={"terse": True, "think": False})

    plain, loud, asked = switched.calls
    assert said(plain) == [("system", "Be brief."), ("user", "one two three")]
    assert said(loud) == [("user", "one two three")]
    assert said(asked) == said(plain)
    assert plain.input.template.variables == {"enable_thinking": True}
    assert plain.input.template_variables == {}
    assert asked.input.template_variables == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "one"}),
        ("/api/v1/chat", {"input": "one"}),
        ("/api/v0/chat/completions", {"messages": [{"role": "user", "content": "one"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "one"}], "max_tokens": 9}),
    ],
)
async def test_every_dialect_with_conversations_has_them(server, switched, path, body):
    asked = body | {"model": "chat", "custom_fields": {"terse": False}}

    answer = await server.ask("POST", path, json_body=asked)

    assert answer.status == 200, answer.data
    assert said(switched.calls[0]) == [("user", "one")]


async def test_a_raw_prompt_has_none(server, switched):
    body = {"model": "chat", "prompt": "one", "custom_fields": {"terse": True}}

    answer = await server.ask("POST", "/v1/completions", json_body=body)

    assert answer.status == 400
    assert answer.json["error"]["param"] == "custom_fields"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"tense": True},
            "`custom_fields.tense`: `acme/tiny` has no such custom field. Hint: known: think, terse, depth",
        ),
        ({"terse": "yes"}, "`custom_fields.terse`: expected true or false"),
        (
            {"depth": 1.5},
            "`custom_fields.depth`: expected a whole number from 1 to 9",
        ),
    ],
)
async def test_what_the_model_has_not_is_refused(server, switched, fields, message):
    answer = await server.chat(custom_fields=fields)

    assert answer.status == 400
    error = answer.json["error"]
    assert error["message"] == message
    assert error["param"] == f"custom_fields.{next(iter(fields))}"
    assert switched.calls == []
