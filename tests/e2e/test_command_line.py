"""How the installed `lmctl` behaves when things are not as they should be."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

NO_LOAD = json.dumps({"fail_load": "unknown architecture", "fail_kind": "config"})


def _running(status):
    return [each.key for each in status.steps if each.running]


@pytest.fixture
def held(box):
    """The home of a daemon that holds the lock and does not listen."""
    box.home.prepare()
    with box.home.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("424242")
        lock.flush()
        yield box


@pytest.mark.parametrize(
    "words", [("daemon", "down"), ("daemon", "status"), ("status",), ("get",), ("wait",)]
)
def test_a_daemon_that_does_not_answer_is_named(held, words):
    ran = held.lmctl(*words)
    assert ran.code == 2, ran
    assert "(pid 424242) does not answer" in ran.err
    assert "hint: it may be starting or ending" in ran.err


def test_a_daemon_that_does_not_answer_as_json(held):
    ran = held.lmctl("daemon", "status", "-o", "json")
    assert (ran.code, ran.json["answers"], ran.json["status"]) == (2, False, "running")


def test_what_a_killed_daemon_left_is_taken_down(box):
    box.echo()
    box.apply()
    box.kill(box.daemon_pid())
    assert box.lmctl("daemon", "down", "--keep").err == "no daemon runs\n"
    assert len(box.left_over()) > 0
    down = box.lmctl("daemon", "down")
    assert (down.code, down.out, down.err) == (0, "", "stopped 2 processes a daemon left\n")
    assert box.left_over() == []
    assert box.lmctl("daemon", "down").err == "nothing runs\n"


def test_down_where_nothing_ever_was_makes_nothing(box):
    assert box.lmctl("daemon", "down").err == "nothing runs\n"
    assert not box.home.root.exists()


def test_status_without_a_daemon_knows_what_was_followed(box):
    box.echo()
    box.apply()
    box.kill(box.daemon_pid())
    ran = box.lmctl("status")
    assert ran.out.startswith("generation 1: ")
    assert f"\nno daemon running, last followed {box.fleet}\n" in ran.out
    assert box.lmctl("status", "-o", "json").json["roots"] == [str(box.fleet)]


def test_waiting_for_broken_manifests_ends_at_once(box):
    box.echo()
    box.apply()
    box.write("instances/chat.yaml", "apiVersion: lmctl/v1alpha1\nkind: Instanze\n")
    box.until(lambda s: bool(s.problems))
    ran = box.lmctl("wait", "-q", "-o", "json")
    assert ran.code == 2
    assert "instances/chat.yaml:2:7: error: " in ran.err
    assert ran.json["problems"]


def test_waiting_for_names(box):
    box.echo()
    box.apply()
    assert box.lmctl("wait", "instances/chat", "instance").code == 0
    missing = box.lmctl("wait", "instance/chap", "-q", "--timeout", "0s")
    assert missing.code == 5
    assert "  instance/chap is not declared; there is: instance/chat\n" in missing.err
    unknown = box.lmctl("wait", "--for", "godot")
    assert (unknown.code, unknown.err) == (
        2,
        "error: cannot wait for `godot`\nhint: expected: ready, serving, gone or generation=N\n",
    )


def test_the_status_is_on_stdout_however_waiting_ends(box):
    box.echo(script=NO_LOAD)
    applied = box.lmctl("apply", "--yes", "-q", "-o", "json", str(box.fleet))
    assert applied.code == 1
    assert applied.json["generation"] == 1
    assert "unknown architecture" in applied.err
    waited = box.lmctl("wait", "-o", "json")
    assert (waited.code, waited.json["ready"]) == (1, False)
    box.echo("slow", script=json.dumps({"load_seconds": 600}))
    (box.fleet / "instances" / "chat.yaml").unlink()
    box.until(lambda s: any(each.startswith("load instance/slow") for each in _running(s)))
    late = box.lmctl("wait", "--timeout", "0s", "-o", "json")
    assert (late.code, late.json["ready"]) == (5, False)


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_events_as_a_stream(box, output):
    box.echo()
    box.apply()
    with subprocess.Popen(
        [sys.executable, "-m", "lmctl", "events", "-f", "-o", output],
        env={**os.environ, "LMCTL_HOME": str(box.home.root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        first = following.stdout.readline()
        following.terminate()
    if output == "json":
        assert json.loads(first)["reason"] == "DaemonStarted"
    else:
        assert first == "---\n"


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/x", "/proc/lmctl", "~nobody-here/x"])
@pytest.mark.parametrize("words", [("daemon", "up"), ("apply", "--yes"), ("daemon", "run")])
def test_a_home_that_cannot_be(box, place, words):
    folder = [str(box.fleet)] if words[0] == "apply" else []
    ran = box.lmctl(*words, *folder, LMCTL_HOME=place)
    assert ran.code == 2
    assert ran.err.endswith("hint: set LMCTL_HOME to a folder you can write\n"), ran.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_trouble(box, closed):
    ran = subprocess.run(
        ["sh", "-c", f'"$0" -m lmctl daemon status {closed}', sys.executable],
        env={**os.environ, "LMCTL_HOME": str(box.home.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "")


def test_two_starters_are_both_content(box):
    command = [sys.executable, "-m", "lmctl", "daemon", "up"]
    environment = {**os.environ, "LMCTL_HOME": str(box.home.root)}
    starters = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [each.wait(60) for each in starters] == [0, 0, 0]
