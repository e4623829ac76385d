"""`lmctl ps` tells what is loaded and what it is doing, with and without a daemon."""

import json

import httpx2
import pytest

pytestmark = pytest.mark.e2e


def ps(box):
    ran = box.lmctl("ps", "--json")
    assert ran.code == 0, ran.err
    return ran.json


def asked(box, prompt="word " * 60):
    body = {"model": "chat", "prompt": prompt}
    httpx2.post(f"{box.url}/v1/completions", json=body, timeout=60).raise_for_status()


def test_what_is_loaded_is_told_by_the_runners_themselves(box):
    assert ps(box) == []
    assert "nothing is loaded" in box.lmctl("ps").out

    box.echo()
    box.apply()
    asked(box)
    asked(box)
    here = f"127.0.0.1:{box.port}"  # as if it were another box
    (known,) = box.lmctl("ps", "--json", "--host", here).json
    assert (known["identifier"], known["modelKey"], known["parallel"]) == ("chat", "acme/chat", 4)
    (model,) = box.lmctl("ls", "--json", "--host", here).json
    assert (model["modelKey"], model["loadedAs"]) == ("acme/chat", ["chat"])
    box.kill(box.daemon_pid())  # whoever is loaded goes on, and can be asked

    (chat,) = ps(box)
    assert (chat["identifier"], chat["instance"], chat["status"]) == ("chat", "chat", "idle")
    assert (chat["modelKey"], chat["publisher"], chat["type"]) == ("acme/chat", "acme", "llm")
    assert (chat["path"], chat["deviceIdentifier"]) == ("acme/chat/chat.json", None)
    assert chat["sizeBytes"] > 0
    assert chat["memory"] > 0
    assert chat["parallel"] == 4
    assert chat["ttlMs"] is None
    assert 0 < chat["cacheHitRatio"] < 1
    assert 0 < chat["contextHeld"] < chat["contextRoom"]
    assert chat["draftAcceptance"] is None
    table = box.lmctl("ps").out.splitlines()
    assert table[0].split()[:3] == ["IDENTIFIER", "MODEL", "STATUS"]
    assert table[1].split()[:3] == ["chat", "acme/chat", "IDLE"]


def test_a_request_under_way_shows(box):
    box.echo(script=json.dumps({"reply": "w " * 100_000, "token_seconds": 0.01}))
    box.apply()
    body = {"model": "chat", "prompt": "a b c", "max_tokens": 3000, "stream": True}
    with httpx2.stream("POST", f"{box.url}/v1/completions", json=body, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        (chat,) = ps(box)
        assert (chat["status"], chat["running"], chat["queued"]) == ("generating", 1, 0)
