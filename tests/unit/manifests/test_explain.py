"""Every field is found by the path a person would write, and a wrong path names the right one."""

import pytest

from lmctl.base.errors import NotFound
from lmctl.manifests.explain import explain
from lmctl.manifests.schema import KINDS, schema
from lmctl.manifests.schema_fields import fields


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_found_by_its_own_path(kind):
    for each in fields(schema(kind)):
        paths = [found.field.path for found in explain(f"{kind}.{each.path}")]
        assert each.path in paths


@pytest.mark.parametrize(
    ("asked", "paths"),
    [
        ("instance.spec.load.contextLength", ["spec.load.contextLength"]),
        ("instance.load.contextLength", ["spec.load.contextLength"]),
        ("Instances.load.gpu.ratio", ["spec.load.gpu.ratio"]),
        ("llm.load.contextLength", ["spec.load.contextLength"]),
        ("llm.prediction.temperature", ["spec.operation.temperature"]),
        ("server.auth.tokens[0].secretRef.env", ["spec.auth.tokens[].secretRef.env"]),
        ("server.secrets.github.env", ["spec.secrets.*.env"]),
        ("mcp.mcpServers.files.command", ["mcpServers.*.command"]),
        ("route.targets.weight", ["spec.targets[].weight"]),
        ("model.base[].sources[](url).url", ["base[].sources[](url).url"]),
        (
            "model.base.sources.sha256",
            [f"base[].sources[]({each}).sha256" for each in ("huggingface", "pypi", "file", "url")],
        ),
        ("runtime", [None]),
    ],
)
def test_a_path_leads_to_its_field(asked, paths):
    assert [each.field and each.field.path for each in explain(asked)] == paths


def test_the_fields_right_below_are_listed():
    [found] = explain("route.targets")

    assert [each.path for each in found.below] == [
        "spec.targets[].instance",
        "spec.targets[].weight",
    ]
    assert [each.path for each in explain("preset")[0].below] == [
        "identifier", "name", "operation", "load", "inference_params", "load_params",
    ]  # fmt: skip
    assert "spec.targets" in [each.path for each in explain("route")[0].below]


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("instanse", "unknown kind `instanse`", "did you mean `instance`?"),
        ("instance.load.contxt", "instance has no field `load.contxt`", "did you mean `contextLength`?"),
        ("server.listn.port", "server has no field `listn.port`", "did you mean `listen`?"),
        ("route.spec.zzz", "route has no field `spec.zzz`",
         "known fields of `spec`: fallback, names, preset, targets"),
        ("mcp.mcpServers.files.comand", "mcp has no field `mcpServers.files.comand`", None),
        ("llm.load.zzz", "unknown kind `llm`", None),
        ("instance.", "", None),
        ("", "unknown kind ``", None),
        ("instance.spec.load.contextLength.more", "instance has no field", None),
    ],
)  # fmt: skip
def test_a_path_to_nothing_names_what_was_meant(asked, message, hint):
    if asked == "instance.":
        assert explain(asked)[0].field is None
        return
    with pytest.raises(NotFound) as told:
        explain(asked)

    assert str(told.value).startswith(message)
    assert hint is None or told.value.hint == hint
    assert told.value.hint
