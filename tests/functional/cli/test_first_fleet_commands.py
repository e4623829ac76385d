"""`init` writes a first fleet and `get NAME` adds to it; both are locked by what a hub has."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.cli.main import app
from lmctl.cli.selecting import is_kind
from tests.support.localhub import LocalHub

WEIGHTS = b"GGUF" + bytes(4096)
NAMES = {
    "Qwen/Qwen3-0.6B-GGUF": "Qwen3-0.6B-Q8_0.gguf",
    "nomic-ai/nomic-embed-text-v1.5-GGUF": "nomic-embed-text-v1.5.Q8_0.gguf",
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    with LocalHub.running() as made:
        for repo, file in NAMES.items():
            made.repo(repo).commit({file: WEIGHTS, "README.md": b"hello"})
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


def run(*words: object):
    return CliRunner().invoke(app, [*map(str, words)])


def test_a_first_fleet_is_written_locked_and_says_why(tmp_path: Path, hub):
    fleet = tmp_path / "fleet"
    dry = run("init", fleet, "--model", "qwen3-0.6b", "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["written"], fleet.exists()) == (0, False, False)

    ran = run("init", fleet, "--model", "qwen3-0.6b", "--port", "4321", "--json")

    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["model"], told["quantization"]) == ("qwen/qwen3-0.6b", "Q8_0")
    assert sorted(told["files"]) == [
        "instances/chat.yaml",
        "models/qwen3-0.6b/model.yaml",
        "server.yaml",
    ]
    assert "next: `lmctl apply" in ran.stderr
    assert "tokens of context" in ran.stderr
    (source,) = json.loads((fleet / "lmctl.lock").read_text())["models"][0]["sources"]
    assert source["files"][0]["path"] == "Qwen3-0.6B-Q8_0.gguf"
    assert run("validate", fleet, "--strict").exit_code == 0
    assert "port: 4321" in (fleet / "server.yaml").read_text()

    again = run("init", fleet)
    assert "is there and not empty" in str(again.exception)
    assert "no model `nothing`" in str(run("init", tmp_path / "x", "--model", "nothing").exception)


def test_a_model_of_the_catalogue_is_added_and_locked(tmp_path: Path, hub):
    fleet = tmp_path / "fleet"
    assert run("init", fleet, "--model", "qwen3-0.6b", "--no-lock").exit_code == 0
    assert not (fleet / "lmctl.lock").exists()

    ran = run("get", "nomic-embed-text-v1.5", "--into", fleet, "--json")

    assert ran.exit_code == 0, ran.output
    file = fleet / "models" / "nomic-embed-text-v1.5" / "model.yaml"
    assert json.loads(ran.stdout)["file"] == str(file)
    locked = json.loads((fleet / "lmctl.lock").read_text())["models"]
    assert [each["model"] for each in locked] == [
        "nomic-ai/nomic-embed-text-v1.5",
        "qwen/qwen3-0.6b",
    ]
    again = run("get", "nomic-ai/nomic-embed-text-v1.5", "--into", fleet)
    assert (again.exit_code, "stays as it is" in again.stderr) == (0, True)


def test_what_cannot_be_locked_is_written_and_said(tmp_path: Path, hub):
    fleet = tmp_path / "fleet"
    hub.metadata_fault = (503, b"")
    ran = run("init", fleet, "--model", "qwen3-0.6b")
    assert (ran.exit_code, "`lmctl lock" in ran.stderr) == (1, True)
    assert run("validate", fleet).exit_code == 0


def test_the_catalogue_is_listed_and_kinds_stay_what_they_were(tmp_path: Path, hub):
    listed = json.loads(run("get", "--catalogue", "--json").stdout)
    assert {"name", "model", "type", "title", "summary", "sizeBytes"} <= set(listed[0])
    assert "qwen3-4b" in {each["name"] for each in listed}
    assert is_kind("model/qwen3-4b")
    assert is_kind("instances")
    assert not is_kind("qwen3-4b")
    assert "did you mean `qwen3-4b`" in run("get", "qwen3-4").exception.hint
    assert "there is no folder" in str(run("get", "qwen3-4b", "--into", tmp_path / "x").exception)
    assert run("get", "qwen3-4b", "--dry-run").stdout.startswith("# Qwen3 4B.")
