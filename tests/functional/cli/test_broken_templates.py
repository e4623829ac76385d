"""`validate` tells of templates in settings that nobody could render."""

import json

from typer.testing import CliRunner

from lmctl.cli.main import app

MODEL = """\
model: acme/m
base: [{key: acme/w, sources: [{type: file, path: w.json}]}]
config:
  operation:
    fields:
      - key: llm.prediction.promptTemplate
        value: {type: jinja, jinjaPromptTemplate: {template: "{{ messages }}"}}
"""
CHAT = """\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec:
  model: acme/m
  runtime: echo
  operation:
    promptTemplate: {type: jinja, jinjaPromptTemplate: {template: "one\\n{% if %}"}}
"""


def validated(folder, *words):
    (folder / "w.json").write_text("{}")
    (folder / "model.yaml").write_text(MODEL)
    (folder / "chat.yaml").write_text(CHAT)
    value = {"jinjaPromptTemplate": {"template": "{{ open"}}
    fields = [{"key": "llm.prediction.promptTemplate", "value": value}]
    (folder / "x.preset.json").write_text(json.dumps({"operation": {"fields": fields}}))
    env = {"LMCTL_HOME": str(folder / "home")}
    return CliRunner().invoke(app, ["validate", str(folder), *words], env=env)


def test_each_is_a_warning_with_the_line_in_the_template(tmp_path):
    ran = validated(tmp_path)
    assert ran.exit_code == 0, ran.output
    assert "`spec.operation.promptTemplate`: the chat template is broken: line 2" in ran.stderr
    assert "`operation.fields[0]`: the chat template is broken: line 1" in ran.stderr
    assert ran.stderr.count("is broken") == 2


def test_strict_takes_them_for_errors(tmp_path):
    assert validated(tmp_path, "--strict").exit_code == 2
