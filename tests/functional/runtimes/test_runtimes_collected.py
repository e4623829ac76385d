"""`lmctl gc` removes environments of runtimes that nothing has needed for a while, and no others."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.adapters.revisions import Revision, Revisions
from lmctl.adapters.runner_folders import folder_of
from lmctl.adapters.runtimes.collecting import mark
from lmctl.adapters.runtimes.folders import Environments
from lmctl.base.spec import LoadSettings, RunnerSpec
from lmctl.cli.main import app
from lmctl.planning.wanted_runtimes import Build


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    """A home that follows an empty fleet."""
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.prepare()
    (tmp_path / "fleet").mkdir()
    Followed(home.root / "roots.json").follow([str(tmp_path / "fleet")])
    return home


def declared(version: str) -> str:
    return (
        "apiVersion: lmctl/v1alpha1\nkind: Runtime\nmetadata: {name: mine}\n"
        f'spec: {{engine: llama.cpp, version: "{version}"}}\n'
    )


def install(home: Home, version: str) -> Path:
    """Put something in place as an installation does."""
    build, environments = Build("llama-cpp-python", version), Environments(home.root)
    with environments.aside(build) as folder:
        (folder / "bin").mkdir()
        (folder / "bin" / "python").write_bytes(b"x" * 2048)
        return environments.settle(folder, build)


def gc(*words: str):
    return CliRunner().invoke(app, ["gc", *words])


def test_what_is_declared_kept_or_runs_stays(home, tmp_path):
    now, before, running, unused = (install(home, each) for each in ("1", "2", "3", "4"))
    (tmp_path / "fleet" / "mine.runtime.yaml").write_text(declared("1"))
    files = {str(tmp_path / "fleet" / "mine.runtime.yaml"): declared("2").encode()}
    Revisions(home.revisions).keep(Revision("1" * 64, 1, 1.0, (str(tmp_path / "fleet"),), files))
    folder = folder_of(home.runners, "chat", "f" * 64)
    folder.create()
    python = str(running / "bin" / "python")
    folder.write(
        RunnerSpec("chat", "u", "llama.cpp", "m", "f" * 64, (), LoadSettings(), "/s", python=python)
    )
    told = json.loads(gc("--grace", "0s", "--dry-run", "-o", "json").stdout)
    assert [(each["kind"], each["what"], each["size"]) for each in told["removed"]] == [
        ("environment", "runtime of llama-cpp-python 4", 2048)
    ]
    assert unused.exists()
    assert gc().stdout == "freed 0 B\n2.0 KiB more is unused for less than 7d and stays\n"
    assert "runtime of llama-cpp-python 4 (2.0 KiB), unused for 0s" in gc("--grace", "0s").stdout
    assert [each.exists() for each in (now, before, running, unused)] == [True, True, True, False]
    assert sorted(each.name for each in now.parent.iterdir()) == sorted(
        each.name for each in (now, before, running)
    )


def test_what_is_needed_again_is_unused_from_then_on(home):
    path, environments = install(home, "1"), Environments(home.root)
    assert [each.since for each in mark(environments, set(), lambda: 5.0)] == [5.0]
    assert [each.since for each in mark(environments, set(), lambda: 6.0)] == [5.0]
    assert mark(environments, {path.name}, lambda: 7.0) == ()
    assert [each.since for each in mark(environments, set(), lambda: 8.0)] == [8.0]
