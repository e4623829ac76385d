"""Files to one bundle: identities, defaults, digest, chains, sources."""

import pytest
from manifest_texts import CHAT, FLEET, MODEL, SERVER

from lmctl.base.diagnostics import Place
from lmctl.manifests.bundle import Bundle, read
from lmctl.manifests.reading import counts


def test_a_whole_fleet_reads_without_a_word():
    reading = read(FLEET)
    bundle = reading.bundle

    assert reading.diagnostics == ()
    assert not reading.fatal
    assert list(bundle.instances) == ["chat", "embed"]
    assert list(bundle.models) == ["org/small"]
    assert list(bundle.presets) == ["terse"]
    assert bundle.mcp_servers["files"].args == (".",)
    assert not bundle.empty


def test_an_instance_has_its_settings_by_full_key():
    spec = read(FLEET).bundle.instances["chat"].spec

    assert spec.load == {
        "llm.load.contextLength": 4096,
        "llm.load.numParallelSessions": 4,
        "llm.load.llama.flashAttention": True,
        "llm.load.llama.acceleration.offloadRatio": "max",
    }
    assert spec.operation == {
        "llm.prediction.temperature": 0.2,
        "llm.prediction.topPSampling": None,
    }
    assert spec.preset is None


def test_a_preset_is_named_beside_the_settings_and_is_none_of_them():
    text = CHAT.replace(b"temperature: 0.2", b"preset: terse")
    spec = read({"a.yaml": text}).bundle.instances["chat"].spec

    assert spec.preset == "terse"
    assert spec.operation == {"llm.prediction.topPSampling": None}


def test_a_model_has_its_settings_by_full_key():
    model = read(FLEET).bundle.models["org/small"]

    assert model.load == {"llm.load.contextLength": 8192}
    assert model.operation == {
        "llm.prediction.temperature": 0.5,
        "llm.prediction.topPSampling": None,
        "llm.prediction.minPSampling": 0.1,
    }


def test_identifier_and_variant_come_from_the_model_if_not_given():
    embed = read(FLEET).bundle.instances["embed"]

    assert embed.identifier == "org/embed"
    assert (embed.spec.model_key, embed.spec.variant) == ("org/embed", "q8_0")
    assert read(FLEET).bundle.instances["chat"].spec.variant is None


def test_quantities_are_numbers_ever_after():
    spec = read(FLEET).bundle.server.spec

    assert (spec.limits.queue_deadline, spec.limits.body_size) == (90.0, 1 << 20)
    assert (spec.listen.port, spec.listen.host) == (8080, "127.0.0.1")


def test_without_a_server_the_defaults_count():
    bundle = read({"a.yaml": CHAT}).bundle

    assert bundle.server.spec.listen.port == 1234
    assert bundle.server.spec.jit.ttl == 3600.0
    with pytest.raises(KeyError):
        bundle.place("Server", "server")


def test_nothing_declared_is_an_empty_bundle_with_a_digest():
    reading = read({})

    assert reading.bundle.empty
    assert len(reading.bundle.digest) == 64
    assert Bundle().empty


def test_a_server_says_the_same_with_and_without_envelope():
    enveloped = (
        b"apiVersion: lmctl/v1alpha1\nkind: Server\nmetadata: {name: box}\nspec:\n"
        + b"".join(b"  " + line + b"\n" for line in SERVER.splitlines())
    )
    bare, whole = read({"server.yaml": SERVER}), read({"box.yaml": enveloped})

    assert bare.bundle.digest == whole.bundle.digest
    assert bare.bundle.place("Server", "server", "spec", "listen", "port") == Place(
        "server.yaml", 1, 16
    )
    assert whole.bundle.place("Server", "box", "spec", "listen", "port") == Place("box.yaml", 5, 18)


def test_every_part_of_an_object_can_be_pointed_at():
    bundle = read(FLEET).bundle
    file = "fleet/instances.yaml"

    assert bundle.place("Instance", "chat", "spec", "load", "parallel") == Place(file, 7, 41)
    assert bundle.place("Instance", "chat", "spec", "suspend") == Place(file, 5, 3)
    assert bundle.place("McpServer", "files", "command") == Place("fleet/mcp.json", 1, 38)


def test_the_digest_is_of_what_is_said_not_how():
    """File names, their order, comments, key order, flow or block, quotes, units: all the same."""
    block = b"""\
# another hand
metadata:
  name: "chat"
kind: Instance
apiVersion: lmctl/v1alpha1
spec:
  operation:
    topPSampling: {checked: false, value: 0.3}
    temperature: 2e-1
  load:
    gpu: {ratio: max}
    maxParallelPredictions: 4
    flashAttention: true
    contextLength: 0x1000
  identifier: chat
  model: org/small
"""
    server = b"limits: {bodySize: 1048576, queueDeadline: 90}\nlisten: {workers: 2, port: 8080}\n"
    here = read({"a.yaml": CHAT, "server.yaml": SERVER}).bundle
    there = read({"z/y.yml": block, "b/server.yml": server}).bundle

    assert here.digest == there.digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"4096", b"4097"),
        (b"0.2", b"0.3"),
        (b"topPSampling: false", b"topPSampling: 0.9"),
        (b", topPSampling: false", b""),
        (b"name: chat", b"name: chat2"),
        (b"model: org/small", b"model: org/other"),
    ],
)
def test_the_digest_changes_with_every_thing_said(old, new):
    assert read({"a.yaml": CHAT}).bundle.digest != (
        read({"a.yaml": CHAT.replace(old, new)}).bundle.digest
    )


def test_a_bundle_cannot_be_changed():
    bundle = read(FLEET).bundle

    with pytest.raises(TypeError):
        bundle.instances["new"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        bundle.digest = ""  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        bundle.server.spec.listen.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("a.yaml", True),
        ("x/a.yml", True),
        ("x/mcp.json", True),
        ("x/terse.preset.json", True),
        ("x/other.json", False),
        ("README.md", False),
        (".hidden.yaml", False),
        (".git/config.yaml", False),
        ("x/.state/a.yaml", False),
        ("../x/./a.yaml", True),
    ],
)
def test_which_files_count(path, answer):
    assert counts(path) is answer
    assert read({path: CHAT}).bundle.empty is not answer


def test_a_root_inside_a_dot_folder_hides_nothing():
    reading = read({"/home/me/.config/fleet/a.yaml": CHAT})
    hidden = read({"/fleet/.git/a.yaml": CHAT}, root="/fleet")

    assert list(reading.bundle.instances) == ["chat"]
    assert hidden.bundle.empty


def test_a_problem_in_one_file_leaves_the_others_readable_but_fatal():
    reading = read({"a.yaml": CHAT, "b.yaml": b"kind: [\n"})

    assert reading.fatal
    assert list(reading.bundle.instances) == ["chat"]


def test_an_old_preset_and_a_pasted_tool_server_are_known():
    bundle = read(
        {
            "old.preset.json": b'{"name": "Old", "inference_params": {"temp": 0.5}}',
            "mcp.json": b'{"web": {"url": "https://example.com/mcp"}}',
        }
    ).bundle

    assert bundle.presets["old"].inference_params == {"temp": 0.5}
    assert bundle.mcp_servers["web"].url == "https://example.com/mcp"
    assert bundle.place("McpServer", "web", "url") == Place("mcp.json", 1, 17)


def test_every_kind_of_custom_field_and_suggestion_is_read():
    text = b"""
customFields:
  - {key: think, displayName: Think, description: d, type: boolean, defaultValue: true,
     effects: [{type: setJinjaVariable, variable: t}, {type: appendSystemPrompt, content: x},
               {type: prependSystemPrompt, content: y}]}
  - {key: tone, type: string, defaultValue: kind, effects: [{type: setJinjaVariable, variable: t}]}
  - {key: pick, type: select, options: [{label: A, value: a}], defaultValue: a}
  - {key: size, type: number, defaultValue: 3, min: 1, max: 4, int: true,
     slider: {min: 1, max: 4, step: 1}}
metadataOverrides: {domain: llm, vision: mixed, fim: false, contextLengths: [4096],
                    minMemoryUsageBytes: 1e9, compatibilityTypes: [gguf]}
suggestions:
  - message: Try it
    conditions: [{type: equals, key: $.think, value: true}]
    fields: [{key: llm.prediction.temperature, value: 0.6}]
tags: [small]
"""
    reading = read({"model.yaml": MODEL + text})
    model = reading.bundle.models["org/small"]

    assert reading.diagnostics == ()
    assert [each.type for each in model.custom_fields] == ["boolean", "string", "select", "number"]
    assert model.custom_fields[3].whole
    assert model.metadata_overrides.vision == "mixed"
    assert model.suggestions[0].fields_[0].value == 0.6


def test_unhonoured_settings_are_told_unless_they_ask_for_nothing():
    text = CHAT.replace(b"flashAttention: true", b"tryDirectIO: false, contextCheckpoints: 2")

    assert [each.message for each in read({"a.yaml": text}).diagnostics] == [
        "`spec.load.contextCheckpoints` has no effect: what a window or a state has passed is read again"
    ]


def test_custom_fields_and_schemas_may_be_any_value():
    fields = b"""\
      - {key: ext.virtualModel.customField.a.b.c, value: {any: [thing]}}
      - {key: llm.prediction.structured, value: {type: json, jsonSchema: {type: object}}}
"""
    model = read({"model.yaml": MODEL + fields}).bundle.models["org/small"]

    assert model.operation["ext.virtualModel.customField.a.b.c"] == {"any": ["thing"]}
    assert model.operation["llm.prediction.structured"]["jsonSchema"] == {"type": "object"}


def test_a_size_beyond_all_numbers_is_told_like_any_other():
    reading = read({"server.yaml": b'limits: {bodySize: "' + b"9" * 400 + b'"}\n'})

    assert [each.message for each in reading.diagnostics] == [
        "limits.bodySize: expected a size such as 512Mi or 8Gi"
    ]


def test_a_duration_beyond_all_numbers_is_told_like_any_other():
    reading = read({"server.yaml": b'jit: {ttl: "' + b"9" * 400 + b's"}\n'})

    assert [each.message for each in reading.diagnostics] == [
        "jit.ttl: expected a duration such as 30s, 15m or 1h30m"
    ]
