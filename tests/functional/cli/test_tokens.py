"""`token create|ls|rm` on real folders: the token is printed once, its hash is all that is kept."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.cli.main import app
from lmctl.manifests.bundle import read

FORM = re.compile(r"^sk-lm-[A-Za-z0-9]{8}:[A-Za-z0-9]{20}$")
SERVER = "listen: {port: 8080} # a server\n"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "server.yaml").write_text(SERVER)
    return folder


def run(*words: object):
    return CliRunner().invoke(app, ["token", *map(str, words)])


def declared(fleet: Path):
    files = {str(path): path.read_bytes() for path in fleet.iterdir()}
    reading = read(files)
    assert not [each for each in reading.diagnostics if each.fatal]
    return reading.bundle.server.spec.auth.tokens


def test_a_new_token_is_printed_once_and_only_its_hash_is_written(fleet: Path):
    ran = run("create", "ci", fleet)
    token = ran.stdout.strip()
    text = (fleet / "server.yaml").read_text()

    assert FORM.match(token)
    (made,) = declared(fleet)
    assert (made.name, made.scopes) == ("ci", ("inference", "models:read"))
    assert made.hash == f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    assert text.startswith(SERVER)
    assert token not in text
    assert token.partition(":")[2] not in text + ran.stderr
    assert "the only time" in ran.stderr


def test_scopes_are_chosen_and_json_has_the_token_too(fleet: Path):
    ran = run("create", "box", "--scope", "admin", "-o", "json", fleet)

    assert FORM.match(json.loads(ran.stdout)["token"])
    assert declared(fleet)[0].scopes == ("admin",)


def test_tokens_are_listed_and_taken_away_by_name(fleet: Path):
    made = [run("create", name, fleet).stdout.strip() for name in ("a", "b", "c")]
    listed = run("ls", fleet)
    gone = run("rm", "b", fleet)

    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["TOKEN", "a", "b", "c"]
    assert not any(each in listed.stdout for each in made)
    assert gone.exit_code == 0
    assert [each.name for each in declared(fleet)] == ["a", "c"]
    assert len(set(made)) == 3


def test_the_last_one_leaves_the_file_as_it_was(fleet: Path):
    run("create", "a", fleet)
    run("rm", "a", fleet)
    assert (fleet / "server.yaml").read_text() == SERVER


def test_a_folder_without_a_server_gets_one(fleet: Path):
    (fleet / "server.yaml").unlink()
    (fleet / "mcp.json").write_text('{"mcpServers": {}}')
    ran = run("create", 'odd: "name"', fleet)

    assert ran.exit_code == 0, ran.output
    assert declared(fleet)[0].name == 'odd: "name"'


def test_a_dry_run_writes_nothing_and_prints_no_token(fleet: Path):
    ran = run("create", "ci", "--dry-run", fleet)

    assert "+auth:" in ran.stdout
    assert "sk-lm-" not in ran.output
    assert (fleet / "server.yaml").read_text() == SERVER


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "ci", "--scope", "inferense"), "no scope `inferense`"),
        (("create", "there"), "there is a token `there`"),
        (("rm", "their"), "no token `their` is declared"),
    ],
)
def test_what_is_refused_changes_nothing(fleet: Path, words, told):
    run("create", "there", fleet)
    before = (fleet / "server.yaml").read_text()
    ran = run(*words, fleet)

    assert ran.exit_code != 0
    assert told in str(ran.exception)
    assert (fleet / "server.yaml").read_text() == before


def test_a_token_that_is_only_referred_to_is_listed_by_where_it_is(fleet: Path):
    tokens = "auth:\n  tokens:\n    - {name: ci, secretRef: {env: CI_TOKEN}}\n"
    (fleet / "server.yaml").write_text(SERVER + tokens)
    listed = json.loads(run("ls", "-o", "json", fleet).stdout)

    assert [(each["name"], each["knownBy"]) for each in listed["tokens"]] == [
        ("ci", "env CI_TOKEN")
    ]
