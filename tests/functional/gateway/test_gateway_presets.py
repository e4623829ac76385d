"""Settings by the name of a preset: in a request of any dialect, and on a Route."""

import pytest

from lmctl.planning.surface import AliasTarget, ServedAlias

P = "llm.prediction."
TERSE = {P + "systemPrompt": "Be brief.", P + "temperature": 0.5, P + "topKSampling": 3}
LOUD = {P + "temperature": 0.9, P + "stopStrings": ["END"]}
PRESETS = {"@local:terse": TERSE, "loud": LOUD}
OPERATION = {P + "temperature": 0.2, P + "topKSampling": 9, P + "minPSampling": 0.3}


@pytest.fixture
def presets(box, runner):
    """A route with settings, another name of it with a preset, and presets to ask for."""
    alias = ServedAlias("smart", ("smart",), (AliasTarget("chat"),), preset="loud")
    box.serve(box.route(operation=OPERATION), aliases=(alias,), presets=PRESETS)
    return runner


def said(call):
    return [(each.role, each.content) for each in call.input.messages]


async def test_what_a_preset_says_counts_below_the_request_and_above_the_instance(server, presets):
    await server.chat(model="chat", preset="@local:terse", temperature=0)

    (call,) = presets.calls
    assert (call.sampling.temperature, call.sampling.top_k, call.sampling.min_p) == (0, 3, 0.3)
    assert said(call) == [("system", "Be brief."), ("user", "one two three")]


async def test_a_conversation_that_brings_a_system_prompt_keeps_it(server, presets):
    own = [{"role": "system", "content": "Be long."}, {"role": "user", "content": "hi"}]

    await server.chat(model="chat", preset="@local:terse", messages=own)

    assert said(presets.calls[0]) == [("system", "Be long."), ("user", "hi")]


async def test_a_route_has_the_settings_of_its_preset_and_a_request_may_name_another(
    server, presets
):
    await server.chat(model="smart")
    await server.chat(model="smart", preset="@local:terse")

    own, other = presets.calls
    assert (own.sampling.temperature, own.sampling.top_k, own.stop) == (0.9, 9, ("END",))
    assert (other.sampling.temperature, other.sampling.top_k, other.stop) == (0.5, 3, ("END",))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "one"}),
        ("/v1/responses", {"input": "one"}),
        ("/api/v1/chat", {"input": "one"}),
        ("/api/v0/chat/completions", {"messages": [{"role": "user", "content": "one"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "one"}], "max_tokens": 9}),
    ],
)
async def test_every_dialect_takes_the_name_of_a_preset(server, presets, path, body):
    asked = body | {"model": "chat", "preset": "loud"}

    answer = await server.ask("POST", path, json_body=asked)

    assert answer.status == 200, answer.data
    assert (presets.calls[0].sampling.temperature, presets.calls[0].stop) == (0.9, ("END",))


async def test_the_tokens_of_a_presets_system_prompt_are_counted(server, presets):
    body = {"model": "chat", "messages": [{"role": "user", "content": "one"}]}

    bare, prompted = [
        (await server.ask("POST", "/v1/messages/count_tokens", json_body=body | more)).json
        for more in ({}, {"preset": "@local:terse"})
    ]

    assert prompted["input_tokens"] > bare["input_tokens"]


async def test_an_unknown_preset_is_refused_with_the_names_there_are(server, presets):
    answer = await server.chat(model="chat", preset="@local:tears", stream=True)

    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["param"]) == ("preset_not_found", "preset")
    assert error["message"] == (
        "no preset named `@local:tears`. Hint: did you mean `@local:terse`? known: @local:terse, loud"
    )
    assert presets.calls == []


async def test_no_preset_at_all_says_how_to_have_one(server, runner):
    answer = await server.chat(preset="terse")

    assert answer.status == 400
    assert "declare one as a `*.preset.json`" in answer.json["error"]["message"]


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_preset_without_a_name_is_none(server, presets, nothing):
    await server.chat(model="chat", preset=nothing)

    assert presets.calls[0].sampling.temperature == 0.2


async def test_a_changed_preset_counts_from_the_next_request(box, server, presets):
    await server.chat(model="chat", preset="loud")
    box.serve(box.route(), presets={"loud": {P + "temperature": 0.7}})
    await server.chat(model="chat", preset="loud")

    assert [each.sampling.temperature for each in presets.calls] == [0.9, 0.7]
