"""`explain` and `schema`, as they are typed."""

import json
from pathlib import Path
from textwrap import dedent

import jsonschema
import pytest
from typer.testing import CliRunner

from lmctl.cli.main import app
from lmctl.manifests.schema import BUNDLED, KINDS, schema


def run(*words: str):
    return CliRunner().invoke(app, list(words))


def test_a_field_is_explained_whole():
    assert run("explain", "server.reconcile.scrub").stdout == dedent("""\
        KIND     server
        FIELD    spec.reconcile.scrub
        TYPE     duration
        DEFAULT  "7d"
        CHANGE   hot: the next request has it
        FOR EXAMPLE  30s, 15m, 1h30m

        How often the bytes of stored weights are hashed again.
        """)
    assert run("explain", "route.targets").stdout == dedent("""\
        KIND     route
        FIELD    spec.targets
        TYPE     list of mapping
        DEFAULT  none: it is required
        CHANGE   hot: the next request has it

        Instances that answer: all with a weight, or in the order they are tried.

        FIELDS of spec.targets[]
          instance  string   required  Name of the Instance.
          weight    integer  hot       Share of the requests, next to the other targets' weights; 0 takes no new ones. Without weights the first target that is up takes every request.
        """)


def test_a_field_is_explained_as_data():
    told = json.loads(run("explain", "server.listen.port", "-o", "json").stdout)

    assert told == {
        "fields": [
            {
                "kind": "server",
                "path": "spec.listen.port",
                "type": "integer",
                "description": "TCP port; 0 takes a free one.",
                "default": "1234",
                "change": "server-restart",
                "limits": {"at least": 0, "at most": 65535},
            }
        ]
    }


@pytest.mark.parametrize("kind", [*KINDS, BUNDLED])
def test_a_schema_is_printed(kind: str):
    assert json.loads(run("schema", kind).stdout) == schema(kind)


def test_without_a_kind_it_is_the_schema_of_all():
    assert json.loads(run("schema").stdout) == schema(BUNDLED)


def test_settings_for_an_editor_lead_to_schemas_that_are_there(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path))
    settings = json.loads(run("schema", "--vscode").stdout)

    addresses = [*settings["yaml.schemas"], *(each["url"] for each in settings["json.schemas"])]
    for address in addresses:
        made = json.loads(Path(address.removeprefix("file://")).read_text())
        jsonschema.Draft202012Validator.check_schema(made)
    assert settings["yaml.schemas"][(tmp_path / "schemas" / "server.json").as_uri()] == [
        "**/server.yaml",
        "**/server.yml",
    ]
    written = (tmp_path / "schemas" / "server.json").stat().st_mtime_ns
    run("schema", "--vscode")
    assert (tmp_path / "schemas" / "server.json").stat().st_mtime_ns == written


def test_schemas_go_into_the_folder_named(tmp_path: Path):
    assert run("schema", "--into", str(tmp_path / "s")).exit_code == 0
    assert {each.name for each in (tmp_path / "s").iterdir()} == {
        f"{each}.json" for each in (*KINDS, BUNDLED)
    }
