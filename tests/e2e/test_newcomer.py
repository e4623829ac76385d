"""The tour of the README: from nothing, by what lmctl chooses and writes, to an answer that used a tool.

The hub is one of this machine that has real weights under the name the catalogue gives them.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.support.box import Box, box_in
from tests.support.localhub import LocalHub
from tests.support.models import qwen_coder

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.timeout(600)]

REPO = "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"
FILE = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
CLOCK = Path(sys.executable).with_name("mcp-server-time")
QUESTION = "What is the current time in Asia/Tokyo?"


@pytest.fixture
def box(tmp_path):
    with LocalHub.running() as hub:
        hub.repo(REPO).commit({FILE: qwen_coder().read_bytes()})
        with box_in(tmp_path) as made:
            made.env = {"HF_ENDPOINT": hub.url, "HF_TOKEN_PATH": str(tmp_path / "none")}
            yield made
            made.lmctl("daemon", "down")


def well(box: Box, *words: str, **env: str):
    ran = box.lmctl(*words, timeout=300, **env)
    assert ran.code == 0, f"{words}: {ran.out}{ran.err}{box.logs()}"
    return ran


def test_from_nothing_to_an_answer_that_used_a_tool(box):
    fleet = str(box.root / "first")
    well(box, "init", fleet, "--model", "qwen2.5-coder-0.5b", "--port", str(box.port))
    applied = well(box, "apply", "--yes", fleet)
    assert f"serving at {box.url}" in applied.err
    assert well(box, "chat", "-p", "Say hello.", "--stats").out.strip()

    link = well(box, "mcp", "link", f'{{"time": {{"command": "{CLOCK}"}}}}').out.strip()
    well(box, "mcp", "add-link", link, "--yes")
    # A model this small goes on and on where it may; two rounds of tools are enough to see one.
    well(box, "set", "instance/chat", "operation.temperature=0", "operation.maxTokens=200")
    scopes = ("--scope", "inference", "--scope", "mcp:local")
    token = well(box, "token", "create", "me", *scopes).out.strip()
    well(box, "set", "server", "auth.required=true", "mcp.allowFile=true", "mcp.rounds=2")
    well(box, "apply", "--yes", fleet)
    well(box, "wait", "mcp/time", "instance/chat")

    answer = well(box, "chat", "chat", "-p", QUESTION, "--tool", "time", LM_API_TOKEN=token)

    assert re.search(r"calls (get_current|convert)_time\(", answer.err), answer.err
    assert answer.out.strip()
    healthy = well(box, "doctor", "--offline", "--json").json
    assert healthy["healthy"]
