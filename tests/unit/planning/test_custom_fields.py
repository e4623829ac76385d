"""Custom fields: what manifests say of them, checked, and told to the gateway."""

from textwrap import dedent

from lmctl.base.custom_fields import CustomField, PromptWords, TemplateVariable
from lmctl.manifests import bundle
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.surface_changes import surface_changes

HOST = HostFacts(sockets="/run")
KEY = "ext.virtualModel.customField.acme.child.think"
ABOUT = "true or false, True; sets enable_thinking; prepends 'Think.'; appends 'Then answer.'"
BASE = """\
    model: acme/base
    base: [{key: acme/base-gguf, sources: [{type: file, path: /w.gguf}]}]
    customFields:
      - key: think
        type: boolean
        defaultValue: true
        effects:
          - {type: setJinjaVariable, variable: enable_thinking}
          - {type: prependSystemPrompt, content: Think.}
          - {type: appendSystemPrompt, content: Then answer.}
      - {key: depth, type: number, defaultValue: 2, min: 1, max: 9, int: true}
    """
CHILD = """\
    model: acme/child
    base: acme/base
    config:
      operation:
        fields:
          - {key: ext.virtualModel.customField.acme.base.think, value: false}
    """
CHAT = """\
    apiVersion: lmctl/v1alpha1
    kind: Instance
    metadata: {name: chat}
    spec:
      model: acme/child
      customFields: {depth: 3}
    """


def read(**files):
    texts = {"base.model.yaml": BASE, "child.model.yaml": CHILD, "chat.yaml": CHAT} | {
        name.replace("__", "."): text for name, text in files.items()
    }
    return bundle.read({name: dedent(text).encode() for name, text in texts.items()})


def goal(**files):
    found = read(**files)
    assert not found.diagnostics, found.diagnostics
    return resolve(found.bundle, HOST).desired


def test_the_gateway_is_told_of_a_models_fields_and_its_parents_and_of_their_values():
    (route,) = goal().surface.routes
    assert route.custom_fields == (
        CustomField(
            "think",
            (KEY, "ext.virtualModel.customField.acme.base.think"),
            "boolean",
            default=True,
            effects=(
                TemplateVariable("enable_thinking"),
                PromptWords("Think.", before=True),
                PromptWords("Then answer.", before=False),
            ),
        ),
        CustomField(
            "depth",
            (KEY.replace("think", "depth"), "ext.virtualModel.customField.acme.base.depth"),
            "number",
            default=2.0,
            least=1.0,
            most=9.0,
            whole=True,
        ),
    )
    assert route.operation == {KEY: False, KEY.replace("think", "depth"): 3}


def test_an_instance_beats_a_preset_and_a_preset_the_model_whoever_the_key_names():
    preset = """\
        {"identifier": "p", "operation": {"fields": [
          {"key": "ext.virtualModel.customField.acme.base.think", "value": true},
          {"key": "ext.virtualModel.customField.acme.base.depth", "value": 8}]}}
        """
    chat = dedent(CHAT) + "  operation: {preset: p}\n"
    (route,) = goal(p__preset__json=preset, chat__yaml=chat).surface.routes
    assert route.operation == {KEY: True, KEY.replace("think", "depth"): 3}


def test_a_field_changed_in_model_or_instance_is_told_and_costs_no_process():
    old = goal()
    base = dedent(BASE).replace("Think.", "Reflect.")
    new = goal(base__model__yaml=base, chat__yaml=dedent(CHAT).replace("depth: 3", "depth: 4"))
    assert old.instances[0].spec_digest == new.instances[0].spec_digest
    told = [f"{each} {each.place}" for each in surface_changes(old.surface, new.surface, new)]
    assert told == [
        "customFields.acme.child.depth: 3 -> 4 chat.yaml:6",
        f"customFields.think: {ABOUT} -> {ABOUT.replace('Think', 'Reflect')} ",
    ]


def test_what_no_field_of_the_model_can_be_is_refused_at_its_place():
    chat = """\
        apiVersion: lmctl/v1alpha1
        kind: Instance
        metadata: {name: chat}
        spec:
          model: acme/child
          customFields:
            thinks: true
            depth: 10
        """
    child = """\
        model: acme/child
        base: acme/base
        config:
          operation:
            fields:
              - {key: ext.virtualModel.customField.acme.child.depth, value: 0.5}
              - {key: ext.virtualModel.customField.other.one.think, value: 1}
        suggestions:
          - {message: Try it., conditions: [{type: equals, key: $.deep, value: 1}]}
        """
    found = read(chat__yaml=chat, child__model__yaml=child)
    told = (f"{each.place}: {each.severity}: {each.message}\n" for each in found.diagnostics)
    assert "".join(told) == dedent("""\
        chat.yaml:7:13: error: model `acme/child` has no custom field `thinks`
        chat.yaml:8:12: error: `spec.customFields.depth`: expected a whole number from 1 to 9, found `10`
        child.model.yaml:6:9: error: `ext.virtualModel.customField.acme.child.depth`: expected a whole number from 1 to 9, found `0.5`
        child.model.yaml:7:9: warning: `ext.virtualModel.customField.other.one.think` is no custom field of this model
        child.model.yaml:9:57: warning: `$.deep` is no custom field of this model: it never holds
        """)
