"""Links that add tool servers: read, asked about, written, and made."""

import base64
import json
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from lmctl.base.errors import LmctlError
from lmctl.cli.main import app
from lmctl.manifests.bundle import read

ENTRY = {"command": "npx", "args": ["-y", "files>>?"], "env": {"MODE": "ro"}}


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "fleet"
    folder.mkdir()
    return folder


def run(*words, **given):
    return CliRunner().invoke(app, ["mcp", *map(str, words)], **given)


def link(entry=ENTRY, name="files", form="lmstudio://add_mcp?name={}&config={}"):
    config = base64.b64encode(json.dumps(entry).encode()).decode()
    return form.format(quote(name), quote(config))


def declared(fleet):
    return read({"mcp.json": (fleet / "mcp.json").read_bytes()}).bundle.mcp_servers


@pytest.mark.parametrize(
    "form",
    [
        "lmstudio://add_mcp?name={}&config={}",
        "lmstudio://add_mcp/?name={}&config={}",
        "https://lmstudio.ai/install-mcp?name={}&config={}",
    ],
)
def test_a_link_adds_its_server(fleet, form):
    ran = run("add-link", link(form=form), fleet, "--yes")
    assert ran.exit_code == 0, ran.output
    assert "starts a program on this machine: npx -y files>>?" in ran.stderr
    assert declared(fleet)["files"].env == {"MODE": "ro"}


def test_base64_that_was_not_escaped_or_is_of_the_other_alphabet_is_read(fleet):
    config = base64.b64encode(json.dumps(ENTRY).encode()).decode()
    assert "+" in config or "/" in config
    for number, each in enumerate((config, config.replace("+", "-").replace("/", "_").rstrip("="))):
        url = f"lmstudio://add_mcp?name=f{number}&config={each}"
        assert run("add-link", url, fleet, "--yes").exit_code == 0
    assert declared(fleet)["f0"] == declared(fleet)["f1"]


def test_what_stands_in_the_file_stays(fleet):
    (fleet / "mcp.json").write_text('{\n  "mcpServers": {\n    "a": {"command": "x"}\n  }\n}\n')
    run("add-link", link(), fleet, "--yes")
    assert list(declared(fleet)) == ["a", "files"]
    assert '    "a": {"command": "x"}' in (fleet / "mcp.json").read_text()


def test_nothing_is_written_without_a_yes(fleet):
    assert run("add-link", link(), fleet).exit_code != 0
    assert run("add-link", link(), fleet, "--dry-run").exit_code == 0
    assert not (fleet / "mcp.json").exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.com/x", "no link that adds a tool server"),
        ("lmstudio://add_mcp?config=e30", "gives no `name`"),
        ("lmstudio://add_mcp?name=a&config=!", "no JSON in base64"),
        ("lmstudio://add_mcp?name=a&config=W10=", "no entry of mcp.json"),
        (link({"args": []}), "neither `command` nor `url`"),
        (link(name="there"), "there is a tool server `there`"),
    ],
)
def test_what_is_no_such_link_is_refused(fleet, url, told):
    (fleet / "mcp.json").write_text('{"mcpServers": {"there": {"command": "x"}}}')
    ran = run("add-link", url, fleet, "--yes")
    assert isinstance(ran.exception, LmctlError)
    assert told in str(ran.exception)
    assert list(declared(fleet)) == ["there"]


def test_a_link_with_a_secret_in_it_is_refused(fleet):
    ran = run("add-link", link({"command": "x", "env": {"API_TOKEN": "hunter2"}}), fleet, "--yes")
    assert ran.exit_code == 2
    assert not (fleet / "mcp.json").exists()


def test_a_link_that_was_made_adds_what_it_was_made_of(fleet):
    run("add-link", link(), fleet, "--yes")
    (fleet.parent / "other").mkdir()
    for words in (("files", fleet), (json.dumps({"files": ENTRY}),), ("files", fleet, "--web")):
        made = run("link", *words).stdout.strip()
        assert "?" in made
        (fleet.parent / "other" / "mcp.json").unlink(missing_ok=True)
        assert run("add-link", made, fleet.parent / "other", "--yes").exit_code == 0
        assert declared(fleet.parent / "other") == declared(fleet)
    piped = run("link", "-", input=json.dumps({"mcpServers": {"files": ENTRY}}))
    assert piped.stdout == run("link", "files", fleet).stdout
