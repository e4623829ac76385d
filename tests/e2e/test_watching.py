"""Watching a box with the installed `lmctl`: a table, lines, events, and waiting for a goal."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from contextlib import contextmanager

import httpx2
import pytest

pytestmark = pytest.mark.e2e

NO_LOAD = json.dumps({"fail_load": "unknown architecture", "fail_kind": "config"})


@contextmanager
def following(box, *words, **started):
    process = subprocess.Popen(
        [sys.executable, "-m", "lmctl", *words],
        env={**os.environ, "LMCTL_HOME": str(box.home.root), "COLUMNS": "200", "LINES": "50"},
        text=True,
        **{"stdout": subprocess.PIPE} | started,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def until(lines, holds):
    """Return the lines up to and with the first for which it holds."""
    seen = []
    for line in lines:
        seen.append(line)
        if holds(line):
            return seen
    raise AssertionError(seen)


def test_a_watched_status_is_a_line_per_change(box):
    box.echo()
    box.apply()
    pid = box.pid("instance/chat")
    with following(box, "status", "--watch") as watching:
        first = [watching.stdout.readline() for _ in range(4)]
        assert first[-1].split()[1:] == ["instance/chat", "Ready", "Synced", "Healthy",
                                         "serving", "as", "chat"]  # fmt: skip
        box.kill(pid)
        lines = until(watching.stdout, lambda line: "Drifted" in line)
        assert "instance/chat" in lines[-1]
        until(watching.stdout, lambda line: "Ready" in line and "instance/chat" in line)
        (box.fleet / "instances" / "chat.yaml").unlink()
        box.echo("other")
        until(watching.stdout, lambda line: line.endswith("instance/chat            gone\n"))


def test_a_watched_status_is_a_table_on_a_terminal(box):
    box.echo()
    box.apply()
    ours, theirs = pty.openpty()
    with following(box, "status", "--watch", stdout=theirs), os.fdopen(ours) as screen:
        os.close(theirs)
        # A pseudo-terminal whose other end is gone reads as an error, not as an end.
        with contextlib.suppress(OSError):
            seen = until(screen, lambda line: "instance/chat" in line)
    assert "generation 1: 4 of 4 ready" in seen[0]
    assert "Ready  Synced  Healthy  serving as chat" in seen[-1]


def test_events_of_one_object_and_of_a_gravity(box):
    box.echo()
    box.echo("bad", script=NO_LOAD)
    box.lmctl("apply", "--yes", "-q", str(box.fleet))
    box.until(lambda s: any(each.state == "Stalled" for each in s.objects))

    def subjects(*words):
        ran = box.lmctl("events", "-o", "json", *words)
        return {each["subject"] for each in ran.json["events"]}

    assert subjects("--for", "instances/chat") == {"instance/chat"}
    assert subjects("--for", "instance") == {"instance/chat", "instance/bad"}
    assert subjects("--for", "box") == {"box"}
    assert subjects("--level", "error") == {"instance/bad"}
    assert box.lmctl("events", "--for", "pod/x").code == 2
    with following(box, "events", "-f", "--level", "error", "-o", "json") as events:
        assert json.loads(events.stdout.readline())["reason"] == "Stalled"

    ids = []
    accepting = {"accept": "text/event-stream"}
    url = f"{box.url}/lmctl/v1/events?for=instance/chat"
    with httpx2.stream("GET", url, headers=accepting, timeout=60) as told:
        assert told.headers["content-type"] == "text/event-stream"
        for line in told.iter_lines():
            if line.startswith("id: "):
                ids.append(line.removeprefix("id: "))
            if line.startswith("data: "):
                assert json.loads(line.removeprefix("data: "))["subject"] == "instance/chat"
            if line == "event: Ready":
                break
    going_on = accepting | {"last-event-id": ids[-2]}
    with httpx2.stream("GET", url, headers=going_on, timeout=60) as told:
        assert next(told.iter_lines()) == f"id: {ids[-1]}"


def test_waiting_for_goals(box):
    box.echo()
    box.apply()
    for goal in ("ready", "serving", "generation=1"):
        assert box.lmctl("wait", "instance/chat", "--for", goal).code == 0
    with following(box, "wait", "instance/new", "--for", "generation=2") as waiting:
        box.echo("new")
        assert waiting.wait(60) == 0
    late = box.lmctl("wait", "-q", "instance/chat", "--for", "gone", "--timeout", "0s")
    assert (late.code, late.err) == (
        5, "error: not gone after 0.0s\n  instance/chat is still declared\n",
    )  # fmt: skip
    with following(box, "wait", "instance/chat", "--for", "gone", "-q") as waiting:
        (box.fleet / "instances" / "chat.yaml").unlink()
        assert waiting.wait(60) == 0
    assert box.lmctl("wait", "--for", "gone").code == 2
