"""Secrets of every kind go in, through successes and failures; none of them is ever seen again.

Not looked at: what manifests themselves say (`last-good.msgpack`, `revisions/`), which is a copy of
the fleet. A secret in a manifest is refused before it gets there.
"""

import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.support.box import free_port

pytestmark = pytest.mark.e2e

COPIES = ("last-good.msgpack", "revisions")
# Each has a canary of its own, so that a leak says where it came from.
KINDS = ("env", "file", "command", "hub", "index", "query", "client", "literal", "prompt", "late")
CANARIES = {kind: f"Canary{kind}9f8e7d6c5b4a39281706" for kind in KINDS}


def seen_in(content: bytes) -> set[str]:
    return {kind for kind, canary in CANARIES.items() if canary.encode() in content}


def leaks_on_disk(home: Path) -> dict[str, set[str]]:
    """Return the canaries in each file of the home that is no copy of the manifests."""
    found = {}
    for path in home.rglob("*"):
        within = path.relative_to(home)
        if (
            path.is_file()
            and within.parts[0] not in COPIES
            and (kinds := seen_in(path.read_bytes()))
        ):
            found[str(within)] = kinds
    return found


def processes(box) -> bytes:
    """Return what `ps` shows of every process of the box, and what its children were handed."""
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, check=True).stdout
    daemon = box.daemon_pid()
    for each in box.left_over():
        if each.pid != daemon:
            listed += repr(each.environ()).encode()
    return listed


@pytest.fixture
def secretive(box):
    """A box whose environment, files and manifests refer to a canary each."""
    closed = free_port()
    secret = box.root / "laptop.token"
    secret.write_text(CANARIES["file"])
    secret.chmod(0o600)
    box.env |= {
        "LMCTL_CI_TOKEN": CANARIES["env"],
        "HF_TOKEN": CANARIES["hub"],
        "HF_ENDPOINT": f"http://127.0.0.1:{closed}",
        "PIP_INDEX_URL": f"http://me:{CANARIES['index']}@127.0.0.1:{closed}/simple",
        "PIP_RETRIES": "0",
    }
    box.write(
        "server.yaml",
        f"""\
        listen: {{host: 127.0.0.1, port: {box.port}}}
        auth:
          required: true
          tokens:
            - {{name: ci, scopes: [admin], secretRef: {{env: LMCTL_CI_TOKEN}}}}
            - {{name: laptop, scopes: [inference], secretRef: {{file: {secret}}}}}
            - {{name: phone, scopes: [inference], secretRef: {{command: [cat, {secret}]}}}}
        secrets:
          ci: {{env: LMCTL_CI_TOKEN}}
          laptop: {{file: {secret}}}
          phone: {{command: [cat, {secret}]}}
        """,
    )
    box.write("mcp.json", '{"mcpServers": {"x": {"command": "x", "env": {"A": "${secret:ci}"}}}}')
    box.echo()
    box.write(
        "models/chat/model.yaml",
        f"""\
        model: acme/chat
        base:
          - key: acme/chat-script
            sources:
              - {{type: huggingface, user: acme, repo: chat, file: chat.gguf}}
              - {{type: pypi, package: acme-chat, version: "1.0", file: chat.gguf}}
              - {{type: url, url: "http://127.0.0.1:{closed}/c.json?t={CANARIES["query"]}", sha256: "{"0" * 64}"}}
              - {{type: file, path: ../../scripts/chat.json}}
        """,
    )
    return box


def test_no_canary_is_ever_seen(secretive):
    box = secretive
    told: dict[str, set[str]] = {}

    def lmctl(*words: str) -> None:
        ran = box.lmctl(*words)
        if kinds := seen_in((ran.out + ran.err).encode()):
            told[" ".join(words)] = kinds

    def look() -> None:
        for words in (("status",), ("get",), ("events",), ("history",), ("diff", str(box.fleet))):
            lmctl(*words, "-o", "json")

    lmctl("validate", str(box.fleet))
    lmctl("secrets", str(box.fleet))
    lmctl("plan", str(box.fleet), "-o", "json")
    lmctl("apply", "--yes", str(box.fleet))
    box.until_ready()
    look()

    headers = {"authorization": f"Bearer {CANARIES['client']}"}
    body = {"model": "chat", "messages": [{"role": "user", "content": CANARIES["prompt"]}]}
    with httpx2.Client(base_url=box.url, headers=headers, timeout=60) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 401
        for kind in ("env", "file"):
            known = {"authorization": f"Bearer {CANARIES[kind]}"}
            done = client.post("/v1/chat/completions", json=body, headers=known)
            assert done.status_code == 200
        client.post(f"/v1/chat/completions?key={CANARIES['client']}", content=b"{")
        client.get(f"/nowhere?key={CANARIES['client']}")
        told["metrics"] = seen_in(client.get("/metrics").content)
        told["control"] = seen_in(client.get("/lmctl/v1/status").content)
    told["processes"] = seen_in(processes(box))

    box.echo("chat", load="{contextLength: 2048}")  # an edit whose runner is another one
    box.until_ready(generation=2)
    box.write("mcp.json", f'{{"mcpServers": {{"x": {{"command": "x", "env": {{"API_KEY": "{CANARIES["literal"]}"}}}}}}}}')  # fmt: skip
    box.until(lambda s: bool(s.problems))
    look()
    lmctl("validate", str(box.fleet))
    lmctl("apply", "--yes", str(box.fleet))
    (box.fleet / "mcp.json").unlink()
    box.until(lambda s: not any(each.severity == "error" for each in s.problems))

    box.kill(box.pid("instance/chat"))  # a death, and whatever is written about it
    box.until_ready()
    box.kill(box.daemon_pid())
    box.env["LMCTL_CI_TOKEN"] = CANARIES["late"]
    lmctl("daemon", "up")
    box.until_ready()
    look()
    for words in (("status",), ("events",), ("get", "model/acme/chat")):
        lmctl(*words)  # what people see is made of what machines see
    told["processes, later"] = seen_in(processes(box))

    assert {where: kinds for where, kinds in told.items() if kinds} == {}
    assert leaks_on_disk(box.home.root) == {}


def test_a_canary_that_is_there_is_found(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "daemon.log").write_text(f"token={CANARIES['env']}")
    assert leaks_on_disk(tmp_path) == {"logs/daemon.log": {"env"}}
    assert seen_in(repr(dict(os.environ)).encode()) == set()
