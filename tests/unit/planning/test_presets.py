"""Presets: what an Instance and a Route make of them, and what the gateway is told."""

import json
from textwrap import dedent

from lmctl.manifests import bundle
from lmctl.manifests.settings_keys import Section
from lmctl.planning.effective import effective_values
from lmctl.planning.layers import Given, Layer, layered
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import PublishSurface
from lmctl.planning.planner import make_plan
from lmctl.planning.resolve import HostFacts, resolve
from tests.support.worlds import seen, stored

HOST = HostFacts(sockets="/run")
MODEL = """\
    model: acme/small
    base: [{key: acme/small-gguf, sources: [{type: file, path: /w.gguf}]}]
    config:
      operation:
        fields:
          - {key: llm.prediction.temperature, value: 0.1}
          - {key: llm.prediction.topKSampling, value: 7}
    """
CHAT = """\
    apiVersion: lmctl/v1alpha1
    kind: Instance
    metadata: {name: chat}
    spec: {model: acme/small, operation: {preset: "@local:terse", topKSampling: 9}}
    """
ROUTE = """\
    apiVersion: lmctl/v1alpha1
    kind: Route
    metadata: {name: smart}
    spec: {targets: [{instance: chat}], preset: "@local:terse"}
    """
FIELDS = (
    ("llm.prediction.systemPrompt", "Be brief."),
    ("llm.prediction.temperature", 0.5),
    ("llm.prediction.topKSampling", 3),
    ("llm.prediction.topPSampling", {"checked": False, "value": 0.9}),
)


def preset(*fields, name="@local:terse", **more):
    given = [{"key": key, "value": value} for key, value in fields]
    return json.dumps({"identifier": name, "operation": {"fields": given}, **more}, indent=1)


def read(**files):
    texts = {"model.yaml": MODEL, "chat.yaml": CHAT, "terse.preset.json": preset(*FIELDS)} | {
        name.replace("__", "."): text for name, text in files.items()
    }
    return bundle.read({name: dedent(text).encode() for name, text in texts.items()})


def goal(**files):
    found = read(**files)
    assert not found.fatal, found.diagnostics
    return resolve(found.bundle, HOST).desired


def test_a_preset_lies_over_the_model_and_under_the_instance_that_names_it():
    made = read().bundle
    found = layered(made, made.instances["chat"], Section.OPERATION)
    assert {key.removeprefix("llm.prediction."): each for key, each in found.items()} == {
        "temperature": Given(0.5, Layer.PRESET, "preset/@local:terse", "terse.preset.json:9"),
        "topKSampling": Given(9, Layer.INSTANCE, "instance/chat", "chat.yaml:4"),
        "systemPrompt": Given(
            "Be brief.", Layer.PRESET, "preset/@local:terse", "terse.preset.json:5"
        ),
        "topPSampling": Given(None, Layer.PRESET, "preset/@local:terse", "terse.preset.json:17"),
    }


def test_what_is_effective_says_which_values_are_the_presets():
    values = {each.path: each for each in effective_values(read().bundle, "instance/chat")}
    found = values["operation.temperature"]
    assert (found.value, found.layer, found.source) == ("0.5", "preset", "preset/@local:terse")


def test_the_gateway_knows_every_preset_by_name_and_which_a_route_has():
    surface = goal(route__yaml=ROUTE, loud__preset__json=preset(name="loud")).surface
    assert surface.presets["loud"] == {}
    assert surface.presets["@local:terse"] == {
        "llm.prediction.systemPrompt": "Be brief.",
        "llm.prediction.temperature": 0.5,
        "llm.prediction.topKSampling": 3,
        "llm.prediction.topPSampling": None,
    }
    assert surface.aliases[0].preset == "@local:terse"


def test_what_a_preset_cannot_say_is_told_and_passed_over():
    fields = (("llm.prediction.temperature", "hot"), ("llm.load.contextLength", 9), ("old", 1))
    load = {"fields": [{"key": "llm.load.contextLength", "value": 9}]}
    found = read(terse__preset__json=preset(*fields, load=load))
    assert [each.message for each in found.diagnostics] == [
        "`operation.fields[0].value`: expected a number of at least 0, found the text `hot`",
        "`operation.fields[1].value`: `llm.load.contextLength` is a load setting",
        "`operation.fields[2].key`: unknown key `old`",
        "`load`: counts for nothing, since a preset is for what is already loaded",
    ]
    assert not found.fatal
    assert resolve(found.bundle, HOST).desired.surface.presets == {"@local:terse": {}}


def test_an_edited_preset_is_told_by_its_own_name_and_moves_no_process():
    old = goal(route__yaml=ROUTE)
    edited = preset(*FIELDS[:2], ("llm.prediction.topKSampling", 4))
    new = goal(
        route__yaml=ROUTE.replace(', preset: "@local:terse"', ""), terse__preset__json=edited
    )
    box = ObservedState(
        weights={each.key: stored(each) for each in old.weights},
        runners=tuple(seen(each) for each in old.instances),
        surface=old.surface,
    )
    steps = [each for each in make_plan(new, box).steps if isinstance(each.step, PublishSurface)]
    loads = [each for each in make_plan(new, box).steps if "instance" in each.step.key]
    assert loads == []
    assert [f"{each.subject} {each} {each.place}" for each in steps[0].changes] == [
        "instance/chat operation.topPSampling: off -> (none) ",
        "route/smart preset: @local:terse -> (none) route.yaml:1",
        "preset/@local:terse operation.topKSampling: 3 -> 4 terse.preset.json:13",
        "preset/@local:terse operation.topPSampling: off -> (none) ",
    ]
