"""`plan --offline`, and the review of a change in CI as docs/tasks/review-in-ci.md tells it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from lmctl.cli.main import app

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / "examples" / "ci" / "review-fleet.yml"
BOX = """\
apiVersion: lmctl/v1alpha1
kind: HostProfile
metadata: {{name: prod}}
spec:
  os: linux
  arch: x86_64
  cores: {{logical: 8, physical: 4, usable: 8}}
  memory: {{total: {memory}, limit: {memory}, others: 0, swap: 0}}
  disk: {{total: {disk}, free: {disk}}}
"""
MODEL = """\
model: acme/large
base:
  - key: acme/large-gguf
    sources: [{type: huggingface, user: acme, repo: large, file: large.gguf}]
"""
CHAT = """\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata: {name: chat}
spec: {model: acme/large, identifier: chat}
"""
SOURCE = {"type": "huggingface", "user": "acme", "repo": "large", "file": "large.gguf"}
GIB = 1024**3


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a fleet and a profile of its box, and no network at all."""
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    (tmp_path / "boxes").mkdir()
    box(tmp_path)
    write(tmp_path, "models/large/model.yaml", MODEL)
    write(tmp_path, "chat.yaml", CHAT)
    return tmp_path


def box(root: Path, *, memory: str = "64Gi", disk: str = "500Gi") -> None:
    (root / "boxes" / "prod.yaml").write_text(BOX.format(memory=memory, disk=disk))


def write(root: Path, name: str, text: str) -> None:
    path = root / "fleet" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def lock(root: Path, size: int) -> None:
    file = {"path": "large.gguf", "size": size, "sha256": "ab" * 32}
    source = {"source": SOURCE, "commit": "c0ffee", "files": [file]}
    model = {"model": "acme/large", "key": "acme/large-gguf", "sources": [source]}
    write(root, "lmctl.lock", json.dumps({"lockVersion": 1, "models": [model]}, indent=2))


def plan(*words: str):
    return CliRunner().invoke(
        app, ["plan", "--offline", "--host-profile", "boxes/prod.yaml", *words, "fleet"]
    )


def test_sizes_are_those_of_the_lock_and_nothing_is_asked_or_made(repository):
    lock(repository, 8 * GIB)
    found = plan()
    assert found.exit_code == 0, found.output
    assert "> model/acme/large   fetch   no disruption; 8.0 GiB to download\n" in found.stdout
    assert "  download  8.0 GiB; 8.0 GiB of weights on disk after\n" in found.stdout
    assert not (repository / "home").exists()


def test_without_a_lock_no_size_is_known_and_frozen_refuses(repository):
    assert "size not known yet" in plan().stdout
    assert plan("--frozen").exit_code == 3


def test_what_does_not_fit_ends_with_3(repository):
    lock(repository, 80 * GIB)
    found = plan()
    assert found.exit_code == 3
    assert "✗ instance/chat      blocked: load" in found.stdout
    assert "needs 80." in found.stdout
    lock(repository, 8 * GIB)
    box(repository, disk="4Gi")
    small = plan()
    assert small.exit_code == 3
    assert "the weights take 8.0 GiB, the disk has 4.0 GiB" in small.stderr


def test_a_plan_for_elsewhere_is_not_written(repository):
    found = plan("--out", "plan.json")
    assert "cannot be applied" in str(found.exception)


def test_a_broken_profile_is_told_at_its_line(repository):
    box(repository, memory="lots")
    found = plan()
    assert found.exit_code == 2
    assert "boxes/prod.yaml:8" in found.stderr


def git(root: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_the_workflow_of_the_docs_reviews_a_change(repository):
    lock(repository, 8 * GIB)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "first")
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD")
    write(repository, "chat.yaml", CHAT.replace("identifier: chat", "identifier: talk"))
    steps = YAML(typ="safe").load(WORKFLOW)["jobs"]["review"]["steps"]
    commands = [each["run"] for each in steps if each.get("run", "").startswith("lmctl")]
    assert len(commands) == 3
    binaries = repository / "bin"
    binaries.mkdir()
    (binaries / "lmctl").symlink_to(Path(sys.executable).with_name("lmctl"))
    summary = repository / "summary.md"
    ran = [
        subprocess.run(
            ["bash", "-e", "-c", each],
            cwd=repository,
            env={
                **os.environ,
                "PATH": f"{binaries}:{os.environ['PATH']}",
                "GITHUB_WORKSPACE": str(repository),
                "GITHUB_BASE_REF": "main",
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        for each in commands
    ]
    assert [each.returncode for each in ran] == [0, 0, 0], ran
    assert ran[1].stdout == (
        "::notice file=fleet/chat.yaml,line=4,title=instance/chat%3A change::"
        "identifier: chat -> talk [hot]\n"
    )
    assert "::notice file=fleet/models/large/model.yaml,line=1," in ran[2].stdout
    assert "| > | `model/acme/large` | fetch |" in summary.read_text()
    write(repository, "chat.yaml", CHAT.replace("model:", "modell:"))
    broken = subprocess.run(
        ["bash", "-e", "-c", commands[0]],
        cwd=repository,
        env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert broken.returncode == 2
    assert broken.stdout.startswith("::error file=fleet/chat.yaml,line=4,col=")
