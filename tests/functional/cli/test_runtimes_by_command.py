"""`runtime ls|get|select|remove|update|survey` on a real folder, with an index that is a folder too."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.adapters.followed import Followed
from lmctl.cli.main import app
from lmctl.manifests.bundle import read
from tests.support import engine_packages

TWO = """\
# builds of ours
apiVersion: lmctl/v1alpha1
kind: Runtime
metadata: {name: one}
spec: {engine: llama.cpp, version: "99.1"} # as tried
---
apiVersion: lmctl/v1alpha1
kind: Runtime
metadata: {name: two}
spec: {engine: llama.cpp, version: "99.2"}
"""
INSTANCE = """\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec: {model: acme/m, runtime: two}
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch) -> Path:
    """A followed folder; no daemon runs."""
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    for name, value in engine_packages.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for version in ("99.1", "99.2"):
        engine_packages.empty_wheel(tmp_path, version)
    folder = tmp_path / "fleet"
    folder.mkdir()
    (tmp_path / "home").mkdir()
    Followed(tmp_path / "home" / "roots.json").follow([str(folder)])
    (folder / "runtimes.yaml").write_text(TWO)
    return folder


def run(*words: str):
    return CliRunner().invoke(app, ["runtime", *words])


def declared(fleet: Path):
    files = {str(path): path.read_bytes() for path in fleet.rglob("*.yaml")}
    return read(files).bundle


def test_they_are_listed_with_what_runs_on_them_and_whether_they_are_there(fleet):
    (fleet / "instances.yaml").write_text(INSTANCE)
    ran = run("ls", "--json")
    found = {each["name"]: each for each in json.loads(ran.stdout)["runtimes"]}
    assert set(found) == {"llama.cpp", "mlx", "echo", "one", "two"}
    assert found["llama.cpp"]["selected"]
    assert found["llama.cpp"]["formats"] == ["gguf"]
    assert found["two"] | {"instances": ["chat"], "state": "not installed"} == found["two"]
    assert found["two"]["version"] == "99.2"
    assert "not installed" in run("ls").stdout


def test_without_a_fleet_the_bundled_ones_are_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    found = json.loads(run("ls", "--json").stdout)["runtimes"]
    assert {each["name"] for each in found} == {"llama.cpp", "mlx", "echo"}


def test_versions_of_a_package_are_those_of_the_index(fleet):
    assert run("get", "--list").stdout.split() == ["99.2", "99.1"]
    assert json.loads(run("get", "llama.cpp", "-l", "--json").stdout) == {
        "package": "llama-cpp-python",
        "versions": ["99.2", "99.1"],
    }
    ran = run("get", "no-such-package", "--list")
    assert ran.exit_code != 0
    assert str(ran.exception) == "the package index has no `no-such-package` for this Python"


def test_an_index_that_does_not_answer_is_told_in_one_line(fleet, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    ran = run("get", "xllamacpp", "--list")
    assert str(ran.exception).startswith("the package index cannot be reached")


def test_getting_one_declares_it_by_its_version(fleet):
    ran = run("get", "--yes", "--build-flag", "-DGGML_CUDA=on")
    assert ran.exit_code == 0, ran.output
    made = declared(fleet).runtimes["llama-cpp-python-99-2"]
    assert (made.spec.version, made.spec.build_flags) == ("99.2", ("-DGGML_CUDA=on",))
    assert "no daemon runs" in ran.stderr
    assert "there is a runtime" in str(run("get", "--yes").exception)
    assert run("get", "xllamacpp@1.2", "--name", "pre", "--yes").exit_code == 0
    assert declared(fleet).runtimes["pre"].spec.package == "xllamacpp"


def test_without_somebody_to_ask_nothing_is_declared(fleet):
    assert "nobody to ask" in str(run("get").exception)
    assert set(declared(fleet).runtimes) == {"one", "two"}


def test_one_is_selected_for_all_that_name_none(fleet):
    assert run("select").stdout.strip() == "llama.cpp"
    assert run("select", "one", "--yes").exit_code == 0
    assert declared(fleet).server.spec.defaults.runtime == "one"
    assert run("select").stdout.strip() == "one"
    assert run("select", "--latest", "--yes").exit_code == 0
    assert declared(fleet).server.spec.defaults.runtime == "two"
    assert "did you mean" in str(run("select", "twoo", "--yes").exception.hint)


def test_what_is_newer_is_pinned_and_the_rest_of_the_file_stays(fleet):
    ran = run("update", "one", "--dry-run")
    assert '+spec: {engine: llama.cpp, version: "99.2"} # as tried' in ran.stdout
    assert (fleet / "runtimes.yaml").read_text() == TWO
    assert run("update", "--all", "--yes").exit_code == 0
    assert (fleet / "runtimes.yaml").read_text() == TWO.replace("99.1", "99.2")
    assert "nothing to change" in run("update", "one", "--yes").stderr


@pytest.mark.parametrize(
    ("gone", "left"),
    [("one", TWO.partition("---\n")[2]), ("two", TWO.partition("---\n")[0])],
)
def test_one_is_removed_from_a_file_of_several(fleet, gone, left):
    assert run("remove", gone, "--yes").exit_code == 0
    assert (fleet / "runtimes.yaml").read_text() == left


def test_the_last_one_takes_its_file_with_it(fleet):
    for name in ("one", "two"):
        assert run("remove", name, "--yes").exit_code == 0
    assert not (fleet / "runtimes.yaml").exists()


def test_one_that_is_needed_or_came_with_lmctl_is_not_removed(fleet):
    (fleet / "instances.yaml").write_text(INSTANCE)
    run("select", "one", "--yes")
    said = [str(run("remove", name, "--yes").exception) for name in ("two", "one", "llama.cpp")]
    assert said[0] == "instance/chat names runtime `two`"
    assert said[1] == "the Server, as `defaults.runtime` names runtime `one`"
    assert said[2] == "`llama.cpp` came with lmctl"
    assert set(declared(fleet).runtimes) == {"one", "two"}


def test_each_engine_is_asked_what_it_sees(fleet):
    found = json.loads(run("survey", "--json").stdout)["survey"]
    (asked,) = [each for each in found if each["runtime"] == "llama.cpp"]
    (processor,) = [each for each in asked["hardware"]["devices"] if each["kind"] == "cpu"]
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert processor["memory"] == total
    assert "llama.cpp: " in run("survey").stdout
