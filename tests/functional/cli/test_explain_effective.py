"""`explain KIND/NAME --effective`, as it is typed."""

import json
from pathlib import Path

from typer.testing import CliRunner

from lmctl.cli.main import app

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"


def run(*words: str):
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def test_every_value_is_told_with_who_gives_it(monkeypatch):
    monkeypatch.chdir(QUICKSTART.parent)
    told = run("explain", "instance/chat", "--effective", "quickstart")
    rows = {line.split()[0]: line.split()[1:] for line in told.stdout.splitlines()}
    assert rows["FIELD"] == ["VALUE", "LAYER", "FROM"]
    assert rows["load.contextLength"] == ["4096", "instance", "quickstart/instances.yaml:10"]
    assert rows["load.evalBatchSize"] == ["2048", "default"]
    assert rows["operation.topKSampling"] == ["40", "default"]


def test_as_data_places_are_absolute():
    told = json.loads(run("explain", "server", "--effective", "-o", "json", str(QUICKSTART)).stdout)
    assert told["object"] == "server"
    port = next(each for each in told["values"] if each["path"] == "listen.port")
    assert port == {
        "path": "listen.port",
        "value": "1234",
        "layer": "server",
        "source": "server",
        "place": f"{QUICKSTART}/server.yaml:5",
    }


def test_what_is_not_declared(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path))
    missing = run("explain", "instance/chap", str(QUICKSTART))
    assert "no `instance/chap` is declared" in str(missing.exception)
    assert "this box follows none" in str(run("explain", "instance/chat").exception)


def test_as_a_request_that_names_a_preset_with_what_the_model_suggests(tmp_path):
    (tmp_path / "model.yaml").write_text(
        "model: acme/m\n"
        "base: [{key: acme/w, sources: [{type: file, path: /w.gguf}]}]\n"
        "suggestions: [{message: Read the card.}]\n"
    )
    (tmp_path / "chat.yaml").write_text(
        "apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {name: chat}\n"
        "spec: {model: acme/m}\n"
    )
    fields = [{"key": "llm.prediction.temperature", "value": 0.3}]
    (tmp_path / "cool.preset.json").write_text(json.dumps({"operation": {"fields": fields}}))
    told = run("explain", "instance/chat", "--effective", "--preset", "cool", str(tmp_path))
    lines = told.stdout.splitlines()
    row = next(line for line in lines if line.startswith("operation.temperature"))
    assert row.split()[1:3] == ["0.3", "preset"]
    assert row.endswith("(preset/cool)")
    assert lines[-1] == "suggested: Read the card."
