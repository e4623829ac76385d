"""`diff --against` and `diff GEN GEN`: manifests compared with manifests, as it is typed."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.adapters.home import Home
from lmctl.adapters.revisions import Revision, Revisions
from lmctl.adapters.state.generations import Generation
from lmctl.adapters.state.store import open_store
from lmctl.cli.main import app

ECHO = Path(__file__).parents[3] / "examples" / "echo"
PORT = "listen.port: 1234 -> 4321"


def run(*words: str):
    return CliRunner().invoke(app, ["diff", *words])


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """A folder in a git work tree, with an edit that is not committed."""
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ECHO, tmp_path / "fleet")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    server = tmp_path / "fleet" / "server.yaml"
    server.write_text(server.read_text().replace("1234", "4321"))
    return tmp_path / "fleet"


def test_a_folder_is_compared_with_a_revision_of_it(fleet):
    found = run("--against", "HEAD", "fleet")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "from HEAD to the folders",
        "~ server  change   (fleet/server.yaml:3)",
        f"      {PORT}   (fleet/server.yaml:4)   [server-restart]",
    ]
    subprocess.run(["git", "checkout", "-q", "."], cwd=fleet, check=True)
    same = run("--against", "HEAD", "fleet")
    assert (same.exit_code, same.stdout) == (0, "HEAD and the folders say the same\n")


def test_as_a_unified_diff_and_as_annotations(fleet):
    unified = run("--against", "HEAD", "--format", "yaml", "fleet").stdout
    assert "--- old/server\n+++ new/server\n" in unified
    assert "-listen.port: '1234'\n+listen.port: '4321'\n" in unified
    assert run("--against", "HEAD", "-o", "github", "fleet").stdout == (
        f"::notice file=fleet/server.yaml,line=4,title=server%3A change::{PORT} [server-restart]\n"
    )


def test_what_git_does_not_know(fleet):
    missing = run("--against", "nope", "fleet")
    assert f"no revision `nope` of `{fleet}`" in str(missing.exception)


def test_against_the_lock(fleet):
    found = run("--against", "lock", "fleet")
    assert found.exit_code == 1
    assert "~ model/lmctl/echo  change" in found.stdout
    assert "base.sources: not locked -> " in found.stdout


def test_two_generations(fleet, tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    store = open_store(home.database, clock=time.time)
    for number, port in ((1, b"1234"), (2, b"4321")):
        files = {"/f/server.yaml": b"listen: {port: %b}\n" % port}
        Revisions(home.revisions).keep(Revision(f"d{number}", number, 1.0, ("/f",), files))
        store.generations.add(Generation(number, f"d{number}", float(number), ("/f",)))
    store.close()
    found = run("1", "2")
    assert found.exit_code == 1
    assert found.stdout.startswith("from generation 1 to generation 2\n~ server  change")
    assert PORT in found.stdout
    assert PORT in run("--against", "1", "fleet").stdout
    assert "there is no generation 7" in str(run("1", "7").exception)
