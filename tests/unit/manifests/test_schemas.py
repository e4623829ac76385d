"""The generated schemas agree with the reader, and with what is in the repository."""

import copy
import json
import re
from pathlib import Path
from typing import Annotated

import jsonschema
import pytest
import yaml

from lmctl.adapters import schema_files
from lmctl.base.changes import ChangeClass
from lmctl.base.errors import NotFound, Refused
from lmctl.manifests import schema_changes, schema_compatibility, schema_fields
from lmctl.manifests.envelope import HOT, RELOAD, Node
from lmctl.manifests.field_tables import table
from lmctl.manifests.schema import BUNDLED, KINDS, render_all, schema

BROKEN = schema_files.ROOT / "tests" / "golden" / "broken"
EXAMPLES = schema_files.ROOT / "examples"


def test_the_generated_files_are_fresh():
    assert schema_files.stale() == [], "run `make schemas`"


@pytest.mark.parametrize("name", [*KINDS, BUNDLED])
def test_every_schema_is_a_schema_of_the_2020_12_draft(name):
    made = json.loads(render_all()[f"{name}.json"])

    assert made["$schema"].endswith("2020-12/schema")
    assert made["$id"] == f"urn:lmctl:v1alpha1:{name}"
    jsonschema.Draft202012Validator.check_schema(made)


@pytest.mark.parametrize("name", KINDS)
def test_every_field_has_a_description_a_default_unless_required_and_a_change_class(name):
    made = schema(name)
    for field, owner in fields(made):
        described = made["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        assert described.get("description"), (owner, field)
        assert field["x-lmctl-change"] in list(ChangeClass), (owner, field)


def test_change_classes_are_one_of_five_words_and_all_of_them_are_used():
    used = {each.change for name in KINDS for each in schema_fields.fields(schema(name))}

    assert used == {"hot", "reload", "replace", "server-restart", "identity"}


@pytest.mark.parametrize(
    ("kind", "path", "change"),
    [
        ("instance", "metadata.name", "identity"),
        ("instance", "spec.model", "replace"),
        ("instance", "spec.runtime", "replace"),
        ("instance", "spec.load.gpu.ratio", "reload"),
        ("instance", "spec.operation.temperature", "hot"),
        ("instance", "spec.checks[].expect.regex", "hot"),
        ("server", "spec.listen.port", "server-restart"),
        ("server", "spec.limits.queue", "hot"),
        ("runtime", "spec.version", "replace"),
        ("route", "spec.targets[].weight", "hot"),
        ("model", "base[].sources[](url).sha256", "replace"),
        ("model", "config.load.fields[].value", "reload"),
        ("model", "config.operation.fields[].value", "hot"),
    ],
)
def test_a_change_costs_what_it_must(kind, path, change):
    found = {each.path: each.change for each in schema_fields.fields(schema(kind))}

    assert found[path] == change


class Loose(Node):
    inner: int = 0
    """Words."""


class Torn(Node):
    one: Annotated[Loose, HOT] = Loose()
    """Words."""
    other: Annotated[Loose, RELOAD] = Loose()
    """Words."""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Loose, "`inner` has no change class"),
        (Torn, "`other`: Loose is hot elsewhere and reload here"),
    ],
)
def test_a_field_without_a_class_of_its_own_or_with_two_is_a_mistake(kind, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        schema_changes.finish(kind.model_json_schema())


DOCUMENTS = [
    {"apiVersion": "lmctl/v1alpha1", "kind": "Server", "metadata": {"name": "a"}, "spec": {}},
    {"listen": {"port": 1}},
    {"model": "a/b", "base": "a/c"},
    {"mcpServers": {"a": {"command": "x"}}},
    {"identifier": "terse", "operation": {"fields": []}},
    {
        "apiVersion": "lmctl/v1alpha1",
        "kind": "Route",
        "metadata": {"name": "a"},
        "spec": {"targets": [{"instance": "b"}]},
    },
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_schema_of_all_kinds_takes_each(document):
    jsonschema.validate(document, schema(BUNDLED))


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "lmctl/v1alpha1", "kind": "Servr", "metadata": {"name": "a"}, "spec": {}},
        {"apiVersion": "lmctl/v1alpha1", "kind": "Route", "metadata": {"name": "a"}, "spec": {}},
        {"kind": "Instance"},
        {"model": "noslash", "base": "a/b"},
        {"mcpServers": 3},
    ],
)
def test_the_schema_of_all_kinds_refuses_what_that_of_the_kind_refuses(document):
    assert not jsonschema.Draft202012Validator(schema(BUNDLED)).is_valid(document)


def without(made, *path):
    made = copy.deepcopy(made)
    here = made
    for part in path[:-1]:
        here = here[part]
    del here[path[-1]]
    return made


def changed(made, value, *path):
    made = copy.deepcopy(made)
    here = made
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    return made


ROUTE = schema("route")
TARGET = ("$defs", "Target")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (ROUTE, []),
        (without(ROUTE, "$defs", "RouteSpec", "required"), []),
        (without(ROUTE, *TARGET, "properties", "weight"), ["`spec.targets[].weight` is gone"]),
        (without(ROUTE, "properties", "spec"), ["`spec` is gone"]),
        (
            changed(ROUTE, ["instance", "weight"], *TARGET, "required"),
            ["`spec.targets[].weight` is required now"],
        ),
        (
            changed(ROUTE, "integer", *TARGET, "properties", "instance", "type"),
            ["`spec.targets[].instance` takes string no more"],
        ),
        (
            changed(ROUTE, "lmctl/v1", "properties", "apiVersion", "const"),
            ['`apiVersion` takes "lmctl/v1alpha1" no more'],
        ),
    ],
)
def test_what_a_new_schema_takes_away_is_told(new, words):
    assert list(schema_compatibility.breaks(ROUTE, new)) == words


def test_a_wider_schema_breaks_nothing():
    new = copy.deepcopy(ROUTE)
    more = {"type": "object", "properties": {"deep": {"type": "string"}}, "required": ["deep"]}
    new["$defs"]["Target"]["properties"]["more"] = more

    assert list(schema_compatibility.breaks(ROUTE, new)) == []
    assert list(schema_compatibility.breaks(new, ROUTE)) == ["`spec.targets[].more` is gone"]


def test_the_schemas_in_the_repository_still_hold():
    """A field that was renamed or removed stands in the committed schema and not in the new one."""
    assert schema_files.broken() == []


def test_a_break_is_refused_instead_of_written(tmp_path: Path):
    (tmp_path / "schemas").mkdir()
    old = changed(ROUTE, {"type": "string"}, "properties", "comment")
    (tmp_path / "schemas" / "route.json").write_text(json.dumps(old))

    with pytest.raises(Refused, match="route: `comment` is gone"):
        schema_files.write(tmp_path)


def fields(node):
    """Yield every property anywhere in a schema; each must have a default or be required."""
    if isinstance(node, dict):
        for name, field in node.get("properties", {}).items():
            assert "default" in field or name in node.get("required", []), (name, node)
            yield field, name
        for each in node.values():
            yield from fields(each)
    elif isinstance(node, list):
        for each in node:
            yield from fields(each)


def example_documents():
    for file in sorted(EXAMPLES.rglob("*.yaml")):
        first = file.read_text().splitlines()[0]
        if first.startswith("# yaml-language-server: $schema="):
            yield file, first.partition("=")[2]


def test_every_manifest_of_the_examples_agrees_with_the_schema_it_names():
    seen = 0
    for file, where in example_documents():
        made = json.loads((file.parent / where).resolve().read_text())
        for document in yaml.safe_load_all(file.read_text()):
            jsonschema.validate(document, made)
            seen += 1
    assert seen >= 6


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("server", {"listen": {"prot": 1}}),
        ("server", {"apiVersion": "lmctl/v1alpha1", "kind": "Server", "spec": {}}),
        ("instance", {"kind": "Instance"}),
        ("model", {"model": "noslash", "base": "a/b"}),
        ("model", {"model": "a/b", "base": [{"key": "x", "sources": [{"type": "s3"}]}]}),
        ("preset", {"operation": 3}),
        ("mcp", {"mcpServers": {"a": {"args": "x"}}}),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(kind, document):
    assert not jsonschema.Draft202012Validator(schema(kind)).is_valid(document)


def test_the_table_tells_type_default_and_what_a_change_costs():
    rows = table("instance").splitlines()

    assert (
        "| `spec.load.contextLength` | integer | `4096` | reload | `llm.load.contextLength`: "
        "a whole number of at least 1. For GGUF and MLX. |"
    ) in rows
    assert any(
        row.startswith("| `spec.operation.temperature` | number | `0.8` | hot |") for row in rows
    )


def test_writing_keeps_what_people_wrote_above_the_mark(tmp_path: Path):
    pages = tmp_path / "docs" / "manifests"
    pages.mkdir(parents=True)
    for name in KINDS:
        (pages / f"{name}.md").write_text(f"# Mine\n\n{schema_files.MARK}old\n")
    assert len(schema_files.stale(tmp_path)) == 2 * len(KINDS) + 1

    schema_files.write(tmp_path)

    assert schema_files.stale(tmp_path) == []
    assert (pages / "mcp.md").read_text().startswith("# Mine\n\n<!--")
    assert (tmp_path / "schemas" / "model.json").exists()


def test_a_page_without_its_mark_is_told_instead_of_overwritten(tmp_path: Path):
    with pytest.raises(NotFound, match=r"model\.md"):
        schema_files.write(tmp_path)
