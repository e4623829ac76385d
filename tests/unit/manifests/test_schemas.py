"""The generated schemas agree with the reader, and with what is in the repository."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from lmctl.adapters import schema_files
from lmctl.base.errors import NotFound
from lmctl.manifests.field_tables import table
from lmctl.manifests.schema import KINDS, render_all, schema

BROKEN = schema_files.ROOT / "tests" / "golden" / "broken"
EXAMPLES = schema_files.ROOT / "examples"


def test_the_generated_files_are_fresh():
    assert schema_files.stale() == [], "run `make schemas`"


@pytest.mark.parametrize("name", KINDS)
def test_every_schema_is_a_schema_of_the_2020_12_draft(name):
    made = json.loads(render_all()[f"{name}.json"])

    assert made["$schema"].endswith("2020-12/schema")
    assert made["$id"] == f"urn:lmctl:v1alpha1:{name}"
    jsonschema.Draft202012Validator.check_schema(made)


@pytest.mark.parametrize("name", KINDS)
def test_every_field_has_a_description_and_a_default_unless_required(name):
    made = schema(name)
    for field, owner in fields(made):
        described = made["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        assert described.get("description"), (owner, field)


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
        "| `spec.load.contextLength` | integer | `2048` | reload | `llm.load.contextLength`: "
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
    assert len(schema_files.stale(tmp_path)) == 2 * len(KINDS)

    schema_files.write(tmp_path)

    assert schema_files.stale(tmp_path) == []
    assert (pages / "mcp.md").read_text().startswith("# Mine\n\n<!--")
    assert (tmp_path / "schemas" / "model.json").exists()


def test_a_page_without_its_mark_is_told_instead_of_overwritten(tmp_path: Path):
    with pytest.raises(NotFound, match=r"model\.md"):
        schema_files.write(tmp_path)
