"""What objects come to, and what two readings do not have in common."""

from textwrap import dedent

import pytest

from lmctl.base.changes import ChangeClass
from lmctl.base.errors import NotFound
from lmctl.manifests import bundle
from lmctl.planning.comparing import compare
from lmctl.planning.effective import effective_values
from lmctl.planning.fields import change_class

BASE = """\
model: acme/base
base:
  - key: acme/base-gguf
    sources: [{type: file, path: /w.gguf}]
config:
  load:
    fields: [{key: llm.load.contextLength, value: 1024}]
"""
CHILD = """\
model: acme/child
base: acme/base
tags: [small]
"""
CHAT = """\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec:
  model: acme/child
  load: {parallel: 3}
"""
SERVER = """\
reconcile: {drift: report}
limits: {queueDeadline: 90s}
"""
MCP = '{"mcpServers": {"files": {"command": "run", "env": {"LEVEL": "3"}}}}'
FILES = {
    "f/base/model.yaml": BASE,
    "f/child/model.yaml": CHILD,
    "f/chat.yaml": CHAT,
    "f/server.yaml": SERVER,
    "f/mcp.json": MCP,
}


def read(**changes: str):
    files = {
        name: changes.get(name.removeprefix("f/").replace("/", "_").partition(".")[0], text)
        for name, text in FILES.items()
    }
    reading = bundle.read({name: dedent(text).encode() for name, text in files.items() if text})
    assert not reading.fatal, reading.diagnostics
    return reading.bundle


def of(key: str, **changes: str) -> dict[str, tuple[str, str, str, str]]:
    found = effective_values(read(**changes), key)
    return {each.path: (each.value, each.layer, each.source, each.place) for each in found}


def test_an_instance_says_who_gives_each_value():
    found = of("instance/chat")
    assert found["model"] == ("acme/child", "instance", "instance/chat", "f/chat.yaml:5")
    assert found["identifier"] == ("acme/child", "default", "", "")
    assert found["load.contextLength"] == (
        "1024",
        "model",
        "model/acme/base",
        "f/base/model.yaml:7",
    )
    assert found["load.maxParallelPredictions"][:2] == ("3", "instance")
    assert found["load.evalBatchSize"] == ("2048", "default", "", "")
    assert found["operation.temperature"] == ("0.8", "default", "", "")
    assert found["drift"] == ("report", "server", "server", "f/server.yaml:1")
    assert "load.parallel" not in found


def test_a_model_says_what_it_has_of_its_parents():
    found = of("model/acme/child")
    assert found["base"] == ("acme/base", "model", "model/acme/child", "f/child/model.yaml:2")
    assert found["tags"][2] == "model/acme/child"
    assert found["config.load.llm.load.contextLength"][2:] == (
        "model/acme/base",
        "f/base/model.yaml:7",
    )


def test_a_server_says_units_and_one_that_is_not_declared_has_defaults():
    assert of("server")["limits.queueDeadline"] == ("1m30s", "server", "server", "f/server.yaml:2")
    assert of("server", server="")["limits.queueDeadline"] == ("30s", "default", "", "")


def test_what_may_be_secret_is_hidden():
    assert of("mcpserver/files")["env.LEVEL"][0] == "(hidden)"


@pytest.mark.parametrize("key", ["instance/chap", "thing/x", "model/acme"])
def test_what_is_not_there_is_told_with_a_hint(key):
    with pytest.raises(NotFound) as caught:
        of(key)
    assert caught.value.hint


def differing(**changes: str) -> list[tuple[str, str, list[str]]]:
    found = compare(read(), read(**changes), names=("a", "b"))
    assert found.same is not bool(found.objects)
    return [
        (each.key, each.op, [f"{c} {c.place} {c.change_class}" for c in each.changes])
        for each in found.objects
    ]


def test_two_readings_are_compared_field_by_field():
    assert differing() == []
    assert differing(chat=f"{CHAT}  identifier: talk\n") == [
        ("instance/chat", "change", ["identifier: (none) -> talk f/chat.yaml:7 hot"]),
    ]
    assert differing(chat="", server=SERVER.replace("90s", "2m")) == [
        ("instance/chat", "remove", []),
        ("server", "change", ["limits.queueDeadline: 1m30s -> 2m f/server.yaml:2 hot"]),
    ]
    assert differing(base_model=BASE.replace("1024", "2048").replace("/w.", "/v.")) == [
        (
            "model/acme/base",
            "change",
            [
                "base[0].sources[0].path: /w.gguf -> /v.gguf f/base/model.yaml:4 replace",
                "config.load.llm.load.contextLength: 1024 -> 2048 f/base/model.yaml:7 reload",
            ],
        )
    ]


def test_that_a_hidden_value_changed_is_told():
    (diff,) = differing(mcp=MCP.replace('"3"', '"4"'))
    assert diff == (
        "mcpserver/files",
        "change",
        ["env.LEVEL: (hidden) -> (hidden) f/mcp.json:1 hot"],
    )


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("Instance", "load.contextLength", ChangeClass.RELOAD),
        ("Instance", "checks[0].prompt", ChangeClass.HOT),
        ("Instance", "model", ChangeClass.REPLACE),
        ("Server", "listen.port", ChangeClass.SERVER_RESTART),
        ("Route", "targets[1].weight", ChangeClass.HOT),
        ("Model", "base[0].sources[0].repo", ChangeClass.REPLACE),
        ("McpServer", "command", ChangeClass.HOT),
        ("Preset", "operation.llm.prediction.temperature", ChangeClass.HOT),
        ("Instance", "somethingElse", ChangeClass.HOT),
    ],
)
def test_the_class_of_a_leaf_is_its_fields(kind, path, expected):
    assert change_class(kind, path) is expected
