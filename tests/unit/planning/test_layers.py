"""Every setting remembers who gives it and where that stands."""

from textwrap import dedent

from lmctl.chat.effective import DEFAULTS, PREFIX
from lmctl.manifests import bundle
from lmctl.manifests.settings_keys import Section, by_key
from lmctl.planning.layers import Given, Layer, layered
from lmctl.planning.resolve import HostFacts, resolve

FILES = {
    "f/base/model.yaml": """\
        model: acme/base
        base:
          - key: acme/base-gguf
            sources: [{type: file, path: /w.gguf}]
        config:
          load:
            fields:
              - {key: llm.load.contextLength, value: 1024}
              - {key: llm.load.numParallelSessions, value: 2}
          operation:
            fields:
              - {key: llm.prediction.temperature, value: 0.1}
              - {key: llm.prediction.topKSampling, value: 7}
        """,
    "f/child/model.yaml": """\
        model: acme/child
        base: acme/base
        config:
          operation:
            fields:
              - {key: llm.prediction.temperature, value: 0.5}
        """,
    "f/chat.yaml": """\
        apiVersion: lmctl/v1alpha1
        kind: Instance
        metadata: {name: chat}
        spec:
          model: acme/child
          load:
            parallel: 3
            gpu: {ratio: 0.5}
          operation: {topKSampling: 9}
        """,
}


def read():
    reading = bundle.read({name: dedent(text).encode() for name, text in FILES.items()})
    assert not reading.fatal, reading.diagnostics
    return reading.bundle


def test_the_instance_wins_over_the_child_and_the_child_over_its_parent():
    made = read()
    chat = made.instances["chat"]
    assert layered(made, chat, Section.LOAD) == {
        "llm.load.contextLength": Given(
            1024, Layer.MODEL, "model/acme/base", "f/base/model.yaml:8"
        ),
        "llm.load.numParallelSessions": Given(3, Layer.INSTANCE, "instance/chat", "f/chat.yaml:7"),
        "llm.load.llama.acceleration.offloadRatio": Given(
            0.5, Layer.INSTANCE, "instance/chat", "f/chat.yaml:8"
        ),
    }
    assert layered(made, chat, Section.OPERATION) == {
        "llm.prediction.temperature": Given(
            0.5, Layer.MODEL, "model/acme/child", "f/child/model.yaml:6"
        ),
        "llm.prediction.topKSampling": Given(9, Layer.INSTANCE, "instance/chat", "f/chat.yaml:9"),
    }


def test_a_wanted_instance_knows_the_place_of_every_value_whichever_file_it_is_in():
    (chat,) = resolve(read(), HostFacts(sockets="/run")).desired.instances
    assert {path: chat.places[path] for path in ("", "model", "weights")} == {
        "": "f/chat.yaml:1",
        "model": "f/chat.yaml:5",
        "weights": "f/base/model.yaml:3",
    }
    assert chat.places["load.contextLength"] == "f/base/model.yaml:8"
    assert chat.places["load.maxParallelPredictions"] == "f/chat.yaml:7"
    assert chat.places["load.gpu.ratio"] == "f/chat.yaml:8"
    assert chat.places["operation.temperature"] == "f/child/model.yaml:6"


def test_the_defaults_of_calls_are_those_of_the_table_of_settings():
    for name, value in DEFAULTS.items():
        default = by_key(PREFIX + name).default
        assert (tuple(default) if isinstance(default, list) else default) == value, name


def test_what_a_model_says_of_loading_as_an_embedding_model_counts_like_any_load_setting():
    files = FILES | {
        "f/base/model.yaml": FILES["f/base/model.yaml"].replace(
            "llm.load.contextLength", "embedding.load.contextLength"
        )
    }
    reading = bundle.read({name: dedent(text).encode() for name, text in files.items()})
    assert not reading.fatal, reading.diagnostics
    made = reading.bundle
    found = layered(made, made.instances["chat"], Section.LOAD)
    assert found["llm.load.contextLength"].value == 1024


def test_the_server_says_how_much_context_there_is_where_nobody_else_does():
    server = {"f/server.yaml": "defaults:\n  contextLength: 777\n"}
    texts = {name: dedent(text) for name, text in (FILES | server).items()}
    silent = texts["f/base/model.yaml"].replace(
        "- {key: llm.load.contextLength, value: 1024}\n      ", ""
    )
    for base, context, place in (
        (texts["f/base/model.yaml"], 1024, "f/base/model.yaml:8"),
        (silent, 777, "f/server.yaml:2"),
    ):
        made = bundle.read(
            {n: t.encode() for n, t in (texts | {"f/base/model.yaml": base}).items()}
        )
        (chat,) = resolve(made.bundle, HostFacts(sockets="/run")).desired.instances
        assert (chat.load.context_length, chat.places["load.contextLength"]) == (context, place)
