"""`lmctl log stream` tells what models are given and answer, while it happens and nowhere else."""

import contextlib
import json
import os
import subprocess
import sys

import httpx2
import pytest

pytestmark = pytest.mark.e2e


@contextlib.contextmanager
def following(box, *words):
    """`log stream` as a process that is told to end; whoever reads it waits for its lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lmctl", "log", "stream", *words],
        env={**os.environ, "LMCTL_HOME": str(box.home.root), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def ask(box, model="chat"):
    body = {"model": model, "messages": [{"role": "user", "content": "one two three"}]}
    httpx2.post(f"{box.url}/v1/chat/completions", json=body, timeout=60).raise_for_status()


def test_what_a_model_is_given_and_answers_is_told_with_its_counts(box):
    box.echo()
    box.echo("other")
    box.apply()
    with following(box, "--stats", "--json", "--model", "chat") as stream:
        assert stream.stderr.readline() == "following chat\n"
        ask(box, "other")
        ask(box)
        given, made = (json.loads(stream.stdout.readline()) for _ in range(2))

    assert given["timestamp"] > 1_600_000_000_000
    assert given["data"]["type"] == "llm.prediction.input"
    assert given["data"]["modelPath"] == "acme/chat/chat.json"
    assert given["data"]["modelIdentifier"] == "chat"
    assert "one two three" in given["data"]["input"]
    output = made["data"]
    assert (output["type"], output["output"]) == ("llm.prediction.output", "one two three")
    assert output["stats"]["stopReason"] == "eosFound"
    assert output["stats"]["predictedTokensCount"] > 0
    assert output["stats"]["tokensPerSecond"] >= 0
    logs = "".join(each.read_text() for each in box.home.logs.glob("*.log"))
    assert "one two three" not in logs

    with following(box, "--stats", "--filter", "output") as stream:
        assert {stream.stderr.readline() for _ in range(2)} == {
            "following chat\n",
            "following other\n",
        }
        ask(box)
        head, text, counts = (stream.stdout.readline() for _ in range(3))
    assert (head.split()[1:], text) == (["chat", "output"], "one two three\n")
    assert counts.startswith("-- ")
    assert "tokens/s" in counts


def test_logs_of_gateway_runners_and_daemon_are_followed_in_one_form(box):
    box.echo()
    box.apply()
    ask(box)
    with following(box, "-s", "server", "-s", "runtime", "-s", "daemon", "--json", "-n", "1") as it:
        seen = {}
        while len(seen) < 3:
            data = json.loads(it.stdout.readline())["data"]
            seen[data["type"]] = data
    assert set(seen) == {"server.log", "runtime.log", "daemon.log"}
    assert seen["server.log"]["level"] == "info"
    runtime = seen["runtime.log"]
    assert (runtime["engineName"], runtime["modelIdentifier"]) == ("echo", "chat")
    assert runtime["pid"] == box.pid("instance/chat")
    assert runtime["message"].startswith("ended ")
    assert box.lmctl("log", "stream", "--filter", "everything").code == 2
