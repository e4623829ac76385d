"""`explain --effective` of presets, Routes and switches, and what a model suggests."""

from textwrap import dedent

import pytest

from lmctl.base.errors import NotFound
from lmctl.manifests import bundle
from lmctl.planning.effective import advised, effective_values

FILES = {
    "base.model.yaml": """\
        model: acme/base
        base: [{key: acme/base-gguf, sources: [{type: file, path: /w.gguf}]}]
        customFields:
          - key: think
            type: boolean
            defaultValue: true
          - {key: style, type: string, defaultValue: plain}
        suggestions:
          - message: Thinking likes it warm.
            conditions: [{type: equals, key: $.think, value: true}]
            fields:
              - {key: llm.prediction.temperature, value: 0.6}
              - {key: llm.prediction.topPSampling, value: {checked: true, value: 0.95}}
          - message: Try a style.
            conditions: [{type: equals, key: $.style, value: plain}]
          - message: Never told.
            conditions: [{type: equals, key: $.think, value: true}, {type: equals, key: $.style, value: x}]
        """,
    "child.model.yaml": """\
        model: acme/child
        base: acme/base
        """,
    "chat.yaml": """\
        apiVersion: lmctl/v1alpha1
        kind: Instance
        metadata: {name: chat}
        spec: {model: acme/child, operation: {temperature: 0.1}, customFields: {style: pirate}}
        """,
    "route.yaml": """\
        apiVersion: lmctl/v1alpha1
        kind: Route
        metadata: {name: smart}
        spec: {targets: [{instance: chat}], preset: warm}
        """,
    "warm.preset.json": """\
        {"identifier": "warm", "operation": {"fields": [
          {"key": "llm.prediction.temperature", "value": 0.6},
          {"key": "ext.virtualModel.customField.acme.base.style", "value": "plain"}]}}
        """,
}


def read(**changed):
    texts = FILES | {name.replace("__", "."): text for name, text in changed.items()}
    found = bundle.read({name: dedent(text).encode() for name, text in texts.items()})
    assert not found.diagnostics, found.diagnostics
    return found.bundle


def values(key, **given):
    found = effective_values(read(), key, **given)
    return {each.path: (each.value, each.layer, each.source, each.place) for each in found}


def test_switches_are_told_with_who_gives_their_value():
    found = values("instance/chat")
    assert found["customFields.think"] == ("true", "model", "model/acme/base", "base.model.yaml:6")
    assert found["customFields.style"] == ("pirate", "instance", "instance/chat", "chat.yaml:4")
    assert "customFields" not in found


def test_an_instance_can_be_asked_with_a_preset_as_requests_do():
    plain, asked = values("instance/chat"), values("instance/chat", asked="warm")
    assert plain["operation.temperature"] == ("0.1", "instance", "instance/chat", "chat.yaml:4")
    assert asked["operation.temperature"] == ("0.6", "preset", "preset/warm", "warm.preset.json:2")
    assert asked["customFields.style"] == ("plain", "preset", "preset/warm", "warm.preset.json:3")
    changed = {each for each in plain if plain[each] != asked[each]}
    assert changed == {"operation.temperature", "customFields.style"}


def test_a_route_shows_what_its_preset_lays_over_the_instances():
    found = values("route/smart")
    assert found["preset"][:2] == ("warm", "route")
    assert found["operation.temperature"] == ("0.6", "preset", "preset/warm", "warm.preset.json:2")


def test_a_preset_that_is_not_there_is_named():
    with pytest.raises(NotFound, match="no preset `worm` is declared") as raised:
        values("instance/chat", asked="worm")
    assert raised.value.hint == "did you mean `warm`?"


def test_what_is_suggested_holds_and_is_not_so_already():
    made = read()
    assert advised(made, "instance/chat") == (
        "Thinking likes it warm. (operation.temperature: 0.6)",
    )
    assert advised(made, "instance/chat", asked="warm") == ("Try a style.",)
    assert advised(made, "model/acme/base") == ()
    quiet = read(
        chat__yaml=FILES["chat.yaml"].replace("{style: pirate}", "{style: p, think: false}")
    )
    assert advised(quiet, "instance/chat") == ()
