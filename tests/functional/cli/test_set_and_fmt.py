"""`set` and `fmt` on real folders: what is written, what is refused, and what stays as it was."""

import json
import os
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from lmctl.adapters.followed import Followed
from lmctl.base.errors import Refused
from lmctl.cli.editing import replace_content
from lmctl.cli.main import app
from lmctl.manifests.bundle import read

INSTANCES = """\
# two of them
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec:
  model: org/small # the model
  load: {contextLength: 4096, maxParallelPredictions: 2}

  operation:
    temperature: 0.2 # cool
---
# the other
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: embed}
spec: {model: org/small, identifier: embed}
---
apiVersion: lmctl/v1alpha1
kind: Route
metadata: {name: any}
spec:
  targets:
    - instance: chat # mostly
      weight: 9
    - instance: embed
      weight: 1
"""
SERVER = "listen: {port: 8080} # a server\n"
MODEL = """\
model: org/small
base:
  - key: org/small-gguf
    sources: [{type: huggingface, user: org, repo: small}]
config:
  operation:
    fields:
      - {key: llm.prediction.temperature, value: 0.5} # warm
      - key: llm.prediction.topPSampling
        value: {checked: true, value: 0.9}
"""
PRESET = '{\n  "identifier": "terse",\n  "operation": {\n    "fields": [\n      {"key": "llm.prediction.temperature", "value": 0.1}\n    ]\n  }\n}\n'
TOOLS = '{\n    "mcpServers": {\n        "files": {\n            "command": "files"\n        }\n    }\n}\n'
FILES = {
    "instances.yaml": INSTANCES,
    "server.yaml": SERVER,
    "models/small/model.yaml": MODEL,
    "terse.preset.json": PRESET,
    "mcp.json": TOOLS,
}

ADDED = """\
value: 0.9}
      - key: llm.prediction.minPSampling
        value: {checked: true, value: 0.1}
"""
ARGUMENTS = """\
"files",
            "args": [
                "--root",
                "."
            ],
            "env": {
                "MODE": "dev"
            }
        }"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "fleet"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(*words: object):
    return CliRunner().invoke(app, [str(each) for each in words])


def changed(fleet: Path) -> dict[str, str]:
    now = {name: (fleet / name).read_text() for name in FILES}
    return {name: text for name, text in now.items() if text != FILES[name]}


@pytest.mark.parametrize(
    ("target", "edits", "file", "pairs"),
    [
        ("instance/chat", ["load.contextLength=8192"], "instances.yaml", [("4096", "8192")]),
        ("Instances/chat", ["spec.load.contextLength=0x2000"], "instances.yaml", [("4096", "0x2000")]),
        ("instance/chat", ["load.parallel=8"], "instances.yaml",
         [("maxParallelPredictions: 2", "maxParallelPredictions: 8")]),
        ("instance/chat", ["operation.temperature-"], "instances.yaml",
         [("  operation:\n    temperature: 0.2 # cool\n", "")]),
        ("instance/embed", ["memory.budget=8Gi", "model=org/small@q8"], "instances.yaml",
         [("{model: org/small, identifier: embed}",
           "{model: org/small@q8, identifier: embed, memory: {budget: 8Gi}}")]),
        ("instance/chat", ['placement.labels."gpu.kind"=none'], "instances.yaml",
         [("# cool\n", "# cool\n  placement:\n    labels:\n      gpu.kind: none\n")]),
        ("route/any", ["targets[embed].weight=5", "fallback=[embed]"], "instances.yaml",
         [("weight: 1\n", "weight: 5\n  fallback: [embed]\n")]),
        ("route/any", ["targets[chat]-"], "instances.yaml",
         [("    - instance: chat # mostly\n      weight: 9\n", "")]),
        ("server", ["listen.port=9090", "limits.queue=3"], "server.yaml",
         [("8080} # a server\n", "9090} # a server\nlimits:\n  queue: 3\n")]),
        ("server/server", ["spec.cors.enabled=true"], "server.yaml",
         [("# a server\n", "# a server\ncors:\n  enabled: true\n")]),
        ("model/org/small", ["operation.temperature=0.7"], "models/small/model.yaml", [("0.5}", "0.7}")]),
        ("model/org/small", ["operation.topPSampling=false"], "models/small/model.yaml",
         [("checked: true", "checked: false")]),
        ("model/org/small", ["config.operation.topPSampling=0.8"], "models/small/model.yaml",
         [("value: 0.9", "value: 0.8")]),
        ("model/org/small", ["operation.llm.prediction.minPSampling=0.1"], "models/small/model.yaml",
         [("value: 0.9}\n", ADDED)]),
        ("model/org/small", ["load.contextLength=2048"], "models/small/model.yaml",
         [("value: 0.9}\n", "value: 0.9}\n  load:\n    fields: [{key: llm.load.contextLength, value: 2048}]\n")]),
        ("model/org/small", ["operation.temperature-"], "models/small/model.yaml",
         [("      - {key: llm.prediction.temperature, value: 0.5} # warm\n", "")]),
        ("model/org/small", ["tags=[a, b]"], "models/small/model.yaml",
         [("value: 0.9}\n", "value: 0.9}\ntags: [a, b]\n")]),
        ("preset/terse", ["operation.temperature=0.3", "name=Terse"], "terse.preset.json",
         [("0.1", "0.3"), ("    ]\n  }\n", '    ]\n  },\n  "name": "Terse"\n')]),
        ("mcp/files", ["args=[--root, .]", "env.MODE=dev"], "mcp.json",
         [('"files"\n        }', ARGUMENTS)]),
    ],
)  # fmt: skip
def test_a_field_is_changed_where_it_stands(fleet: Path, target, edits, file, pairs):
    ran = run("set", target, *edits, fleet)

    expected = FILES[file]
    for old, new in pairs:
        assert old in expected
        expected = expected.replace(old, new, 1)
    assert ran.exit_code == 0, ran.output
    assert changed(fleet) == {file: expected}


def test_the_change_is_shown_and_with_a_dry_run_only_that(fleet: Path):
    ran = run("set", "instance/chat", "load.contextLength=8192", fleet, "--dry-run")

    file = fleet / "instances.yaml"
    assert ran.stdout == dedent(f"""\
        --- {file}
        +++ {file}
        @@ -5,5 +5,5 @@
         spec:
           model: org/small # the model
        -  load: {{contextLength: 4096, maxParallelPredictions: 2}}
        +  load: {{contextLength: 8192, maxParallelPredictions: 2}}
        .
           operation:
        """).replace("\n.\n", "\n \n")
    assert changed(fleet) == {}
    data = json.loads(
        run("set", "instance/chat", "suspend=true", fleet, "--dry-run", "-o", "json").stdout
    )
    assert [each["file"] for each in data["changes"]] == [str(file)]


@pytest.mark.parametrize(
    ("target", "edit", "told"),
    [
        (
            "instance/chat",
            "load.contextLength=zero",
            "spec.load.contextLength: expected a whole number",
        ),
        ("instance/chat", "load.contxt=1", "did you mean `contextLength`?"),
        ("instance/chat", "identifier=embed", "identifier `embed` is that of Instance `chat` too"),
        ("instance/chat", "model-", "`spec.model` is required and missing"),
        ("instance/chat", "runtime=0.3", "spec.runtime: expected text"),
        ("server", "listen.port=99999", "listen.port: expected at most 65535"),
        ("server", "metadata.name=box", "leaves `metadata` out"),
        ("server", "auth.tokens=[{name: a, token: hunter2}]", "a secret under `token`"),
        ("route/any", "targets[chta].weight=1", "`spec.targets` has no item `chta`"),
        ("route/any", "targets[7].weight=1", "spec.targets is a list of 2"),
        ("model/org/small", "operation.temprature=1", "did you mean `temperature`?"),
        ("mcp/files", "env.API_TOKEN=hunter2", "a secret under `API_TOKEN`"),
        ("instance/caht", "suspend=true", "did you mean `chat`?"),
        ("instanse/chat", "suspend=true", "did you mean `instance`?"),
        ("runtime/x", "version=1", "no Runtime is declared"),
        ("instance/chat", "load.contextLength", "is no edit"),
        ("instance/chat", "load={a: ", "is not closed"),
        ("instance/chat", "load.seed=1e999", "expected a finite number"),
    ],
)
def test_what_is_refused_changes_nothing(fleet: Path, target, edit, told):
    ran = run("set", target, edit, fleet)

    words = ran.output + str(ran.exception) + str(getattr(ran.exception, "hint", ""))
    assert ran.exit_code != 0
    assert told in words
    assert "hunter2" not in words
    assert changed(fleet) == {}


def test_an_alias_or_a_merge_in_the_way_is_told(fleet: Path):
    text = INSTANCES.replace("load: {", "load: &l {").replace(
        "identifier: embed}", "identifier: embed, load: *l}"
    )
    (fleet / "instances.yaml").write_text(text)

    ran = run("set", "instance/chat", "load.contextLength=1", fleet)
    assert isinstance(ran.exception, Refused | Exception)
    assert ran.exit_code == 1
    assert (fleet / "instances.yaml").read_text() == text


def test_an_edit_may_mend_a_folder_that_is_broken(fleet: Path):
    """Only new mistakes are in the way: otherwise nothing broken could be mended by command."""
    (fleet / "other.yaml").write_text("kind: Instanse\napiVersion: lmctl/v1alpha1\n")

    assert run("set", "instance/chat", "suspend=true", fleet).exit_code == 0
    assert run("set", "instance/nobody", "suspend=true", fleet).exit_code == 2


def test_without_a_folder_it_is_the_one_the_box_follows(fleet: Path, tmp_path: Path):
    assert "no folder given" in str(run("set", "server", "listen.port=1").exception)
    (tmp_path / "home").mkdir()
    Followed(tmp_path / "home" / "roots.json").follow([str(fleet)])

    assert run("set", "server", "listen.port=1").exit_code == 0
    assert changed(fleet) == {"server.yaml": SERVER.replace("8080", "1")}


def test_links_and_modes_stay(fleet: Path, tmp_path: Path):
    real = tmp_path / "real.yaml"
    (fleet / "server.yaml").rename(real)
    real.chmod(0o640)
    (fleet / "server.yaml").symlink_to(real)
    run("set", "server", "listen.port=1", fleet)

    assert (fleet / "server.yaml").is_symlink()
    assert real.read_text() == SERVER.replace("8080", "1")
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_file_that_changed_meanwhile_is_not_overwritten(fleet: Path):
    file = fleet / "server.yaml"

    with pytest.raises(Refused, match="was changed meanwhile"):
        replace_content(file, b"something else", b"new")
    assert file.read_text() == SERVER


def test_nothing_to_change_is_said(fleet: Path):
    ran = run("set", "instance/chat", "load.contextLength=4096", "suspend-", fleet)

    assert ran.exit_code == 0
    assert ran.stdout == ""
    assert "nothing to change" in ran.output


UGLY = """\
# mine
apiVersion:   lmctl/v1alpha1
kind: Instance
metadata: { name: ugly }
spec:
    model: org/small   # the model
    checks:
    - prompt:  hi


    - {prompt: ho}
"""
PRETTY = """\
# mine
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: ugly}
spec:
  model: org/small # the model
  checks:
    - prompt: hi

    - {prompt: ho}
"""


def contents(fleet: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in fleet.rglob("*") if each.is_file()}


def test_a_folder_gets_the_one_layout_and_says_the_same(fleet: Path):
    (fleet / "ugly.yaml").write_text(UGLY)
    digest = read(contents(fleet)).bundle.digest

    checked = run("fmt", fleet, "--check")
    assert (checked.exit_code, checked.stdout.splitlines()) == (
        1,
        [str(fleet / "mcp.json"), str(fleet / "ugly.yaml")],
    )
    assert (fleet / "ugly.yaml").read_text() == UGLY

    assert run("fmt", fleet).exit_code == 0
    assert (fleet / "ugly.yaml").read_text() == PRETTY
    assert read(contents(fleet)).bundle.digest == digest
    again = run("fmt", fleet, "--check")
    assert (again.exit_code, again.stdout) == (0, "")


def test_one_file_may_be_named_and_what_cannot_be_read_is_left_alone(fleet: Path):
    (fleet / "ugly.yaml").write_text(UGLY)
    (fleet / "bad.yaml").write_text("a: [\n")
    os.utime(fleet / "server.yaml", ns=(1, 1))

    ran = run("fmt", fleet / "ugly.yaml", fleet / "bad.yaml", fleet / "server.yaml")
    assert ran.exit_code == 2
    assert ran.stdout == f"{fleet / 'ugly.yaml'}\n"
    assert "bad.yaml:1:5" in ran.stderr
    assert (fleet / "bad.yaml").read_text() == "a: [\n"
    assert (fleet / "server.yaml").stat().st_mtime_ns == 1  # not even touched
    data = json.loads(run("fmt", fleet / "bad.yaml", "-o", "json").stdout)
    assert (data["changed"], len(data["problems"])) == ([], 1)
    assert isinstance(run("fmt", fleet / "no.txt").exception, Exception)
