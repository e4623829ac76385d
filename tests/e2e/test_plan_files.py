"""A plan that was written down is done exactly, once, or refused with what moved."""

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def write_plan(box, *words):
    path = box.root / "plan.json"
    ran = box.lmctl("plan", str(box.fleet), "--out", str(path), *words)
    assert ran.code == 1, ran.err
    return str(path)


def running(box):
    return {each.key: each.facts["pid"] for each in box.status().objects if each.kind == "instance"}


def test_a_plan_is_applied_exactly_and_once(box):
    box.echo()
    plan = write_plan(box)
    assert Path(plan).stat().st_mode & 0o777 == 0o600
    assert "\napplicable\n" in box.lmctl("show", plan).out

    applied = box.lmctl("apply", plan)
    assert applied.code == 0, applied.err
    assert "generation 1 is ready" in applied.err
    pids = running(box)

    again = box.lmctl("apply", plan)
    assert again.code == 3
    assert "it was applied already, " in again.err
    box.kill(box.daemon_pid())
    assert box.lmctl("daemon", "up").code == 0
    box.until_ready()
    assert box.lmctl("apply", plan).code == 3  # also after a restart
    shown = box.lmctl("show", plan, "-o", "json")
    assert (shown.code, shown.json["standing"]["state"]) == (0, "consumed")
    assert running(box) == pids


def test_what_moved_since_is_said_and_nothing_is_done(box):
    box.echo()
    box.apply()
    other = box.root / "other"
    box.fleet.rename(other)
    (other / "server.yaml").write_text("listen: {port: 4321}\n")
    path = str(box.root / "plan.json")
    assert box.lmctl("plan", str(other), "--out", path).code == 1
    (other / "server.yaml").write_text("listen: {port: 4322}\n")

    refused = box.lmctl("apply", path)
    assert refused.code == 3
    assert "the manifests changed: " in refused.err
    assert "also needed now: start gateway@" in refused.err
    assert box.status().roots == (str(box.fleet),)

    (other / "server.yaml").write_text("listen: {port: 4321}\n")
    box.kill(box.pid("instance/chat"))
    box.until(lambda s: any(e.subject == "instance/chat" for e in s.steps))
    box.until(lambda s: not any(e.subject == "instance/chat" for e in s.steps))
    refused = box.lmctl("apply", path)
    assert refused.code == 3
    assert "the box went on since: " in refused.err


def test_a_plan_for_another_home_or_changed_by_hand_is_refused(box, tmp_path):
    box.echo()
    path = write_plan(box)
    elsewhere = box.lmctl("apply", path, LMCTL_HOME=str(tmp_path / "elsewhere"))
    assert elsewhere.code == 3
    assert "it was made for another home" in elsewhere.err
    assert not (tmp_path / "elsewhere" / "state.db").exists()

    text = json.loads(Path(path).read_text())
    text["actions"].pop()
    Path(path).write_text(json.dumps(text))
    edited = box.lmctl("apply", path)
    assert edited.code == 2
    assert "was changed after it was written" in edited.err
    assert box.lmctl("show", str(box.fleet / "server.yaml")).code == 2


def test_only_some_objects_until_the_next_edit(box):
    box.echo("chat")
    box.echo("other")
    missing = box.lmctl("apply", "--yes", "--only", "instance/chap", str(box.fleet))
    assert (missing.code, "no `instance/chap` is declared" in missing.err) == (2, True)

    ran = box.lmctl("apply", "--yes", "--only", "instances/chat", str(box.fleet))
    assert ran.code == 0, ran.err
    assert "held: suspended: not asked for (`--only instance/chat`)" in ran.out
    assert box.pid("instance/chat")
    left = {each.object: each.held for each in box.status().steps}
    assert set(left) == {"instance/other", "model/acme/other"}
    assert all("not asked for" in each for each in left.values())

    box.echo("chat", operation="{maxTokens: 3}")  # a newer edit ends it
    box.until_ready(generation=2)


def test_one_apply_at_a_time(box):
    box.echo()
    box.home.root.mkdir(parents=True, exist_ok=True)
    with (box.home.root / "apply.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"4242 {time.time():.0f}")
        lock.flush()
        ran = box.lmctl("apply", "--yes", str(box.fleet))
    assert ran.code == 4
    assert "another apply is under way (pid 4242, for " in ran.err
    assert not box.home.database.exists()


class Terminal:
    """A person at `lmctl apply`."""

    def __init__(self, box, *words):
        self._master, side = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lmctl", *words],
            env={**os.environ, "LMCTL_HOME": str(box.home.root), "NO_COLOR": "1"},
            stdin=side,
            stdout=side,
            stderr=side,
            close_fds=True,
        )
        os.close(side)
        self.text = ""

    def until(self, words):
        before = len(self.text)
        deadline = time.monotonic() + 60
        while words not in self.text[before:]:
            ready, _, _ = select.select([self._master], [], [], 1.0)
            if ready:
                try:
                    self.text += os.read(self._master, 4096).decode()
                except OSError:  # the other side is gone
                    break
            assert time.monotonic() < deadline, self.text
        assert words in self.text[before:], self.text

    def say(self, text):
        os.write(self._master, f"{text}\n".encode())

    def end(self):
        self.until("is ready, serving")
        os.close(self._master)
        return self.process.wait(60)


def test_a_world_that_moves_during_the_question_is_shown_again(box):
    box.echo()
    terminal = Terminal(box, "apply", str(box.fleet))
    terminal.until("Apply this plan?")
    box.echo("second")
    terminal.say("y")
    terminal.until("the box moved meanwhile")
    terminal.until("Apply this plan?")
    assert "+ instance/second" in terminal.text
    terminal.say("y")
    assert terminal.end() == 0
    assert set(running(box)) == {"instance/chat", "instance/second"}
