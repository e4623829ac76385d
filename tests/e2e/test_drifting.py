"""What moved away without an edit is found, told, and put back as the policy says."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from tests.support.asking import ask, streaming

pytestmark = pytest.mark.e2e

HANGS = json.dumps({"reply": "a b c d", "hang_after_tokens": 2})
QUICK = {"LMCTL_PERIOD_HEALTH": "600ms", "LMCTL_PERIOD_HANG": "1s"}


@pytest.fixture(autouse=True)
def quick(box):
    box.env |= QUICK


def told(box, subject, reason="Drifted"):
    """The messages of that object's events."""
    return [
        each.message
        for each in box.client.events(0)
        if (each.subject, each.reason) == (subject, reason)
    ]


def server(box, **reconcile):
    words = ", ".join(f"{key}: {value}" for key, value in reconcile.items())
    box.write("server.yaml", f"listen: {{port: {box.port}}}\nreconcile: {{{words}}}\n")


def replaced(key, pid):
    """Everything is Ready again, and that object has another process."""

    def holds(status):
        (one,) = (each for each in status.objects if each.key == key)
        return status.ready and one.facts["pid"] not in (None, 0, pid)

    return holds


def test_a_runner_whose_engine_hangs_is_ended_and_started_again(box):
    box.echo(script=HANGS)
    box.apply()
    pid = box.pid("instance/chat")

    with streaming(box.url, "hello") as events:
        rest = list(events)

    assert "error" in rest[-1]
    box.until(replaced("instance/chat", pid))
    (drifted,) = told(box, "instance/chat")
    assert drifted.startswith("it hangs: no token for 1")
    assert drifted.endswith("with 1 running; corrected now")


def test_a_runner_that_is_stopped_as_a_whole_is_ended_and_started_again(box):
    box.echo()
    box.echo("other")
    box.apply()
    pid, other = box.pid("instance/chat"), box.pid("instance/other")

    os.kill(pid, signal.SIGSTOP)
    box.until(replaced("instance/chat", pid))

    assert not psutil.pid_exists(pid)
    assert box.pid("instance/other") == other
    assert ask(box.url, "hello").strip() == "hello"


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_gateway_that_is_gone_or_hangs_is_started_again(box, sign):
    box.echo()
    box.apply()
    runner, gateway = box.pid("instance/chat"), box.pid("server/gateway")

    os.kill(gateway, sign)
    box.until(replaced("server/gateway", gateway))

    assert ask(box.url, "hello").strip() == "hello"
    assert box.pid("instance/chat") == runner


SURFACE, RUNTIME = "server/surface", "runtime/echo"


def edit_surface(box):
    path = box.home.run / "surface.json"
    path.write_text(path.read_text().replace('"enabled":false', '"enabled":true'))


def delete_surface(box):
    (box.home.run / "surface.json").unlink()


def delete_runtime_note(box):
    (box.home.root / "runtimes" / "echo.json").unlink()


def blob(box):
    (found,) = (each for each in (box.home.root / "blobs").rglob("*") if each.is_file())
    return found


def delete_weights(box):
    blob(box).unlink()


def change_weights(box):
    path = blob(box)
    path.chmod(0o600)
    path.write_bytes(b'{"reply": "something else"}')


def delete_links(box):
    for path in (box.home.root / "models").rglob("*"):
        if path.is_symlink():
            path.unlink()


WEIGHTS = "model/acme/chat"
MOVED = [
    (edit_surface, SURFACE, "cors.enabled: true -> false"),
    (delete_surface, SURFACE, "first routes"),
    (delete_runtime_note, RUNTIME, "needed by"),
    (delete_weights, WEIGHTS, "cannot be found on disk"),
    (delete_links, WEIGHTS, "links"),
]


def test_what_is_moved_by_hand_is_put_back_and_no_process_is_touched(box):
    box.echo()
    box.apply()
    pids = box.pid("instance/chat"), box.pid("server/gateway")

    for move, subject, words in MOVED:
        before = len(told(box, subject))
        move(box)
        box.until(lambda s: s.ready and len(told(box, subject)) > before)  # noqa: B023
        found = told(box, subject)[-1]
        assert words in found, move
        assert found.endswith("; corrected now"), move

    assert (box.pid("instance/chat"), box.pid("server/gateway")) == pids
    assert box.lmctl("diff", str(box.fleet)).code == 0

    change_weights(box)

    box.until(replaced("instance/chat", pids[0]))  # what it had loaded was spoiled under it
    assert any("bytes on disk" in each for each in told(box, WEIGHTS))
    assert box.pid("server/gateway") == pids[1]
    assert ask(box.url, "hello").strip() == "hello"


def test_where_drift_is_reported_it_is_held_until_an_apply(box):
    server(box, drift="report")
    box.echo()
    box.apply()
    pid = box.pid("instance/chat")

    edit_surface(box)
    box.kill(pid)

    held = box.until(lambda s: len([each for each in s.steps if each.held and each.drift]) == 2)
    assert not held.ready
    assert {each.sync for each in held.objects} >= {"Drifted"}
    assert box.lmctl("status").code == 1
    assert "its runner is gone" in told(box, "instance/chat")[0]
    assert "only reported" in told(box, SURFACE)[0]

    box.apply()

    box.until(replaced("instance/chat", pid))
    assert ask(box.url, "hello").strip() == "hello"


def test_where_drift_is_ignored_there_is_nothing_to_do(box):
    server(box, drift="ignore")
    box.echo()
    box.apply()
    edited = (box.home.run / "surface.json").read_text().replace('"queue":64', '"queue":3')
    (box.home.run / "surface.json").write_text(edited)

    box.lmctl("apply", "--yes", str(box.fleet))

    status = box.status()
    assert (status.ready, status.steps) == (True, ())
    assert (box.home.run / "surface.json").read_text() == edited
    assert told(box, SURFACE) == []


def test_an_instance_has_a_policy_of_its_own(box):
    server(box, drift="report")
    box.echo("chat", drift="correct")
    box.apply()
    pid = box.pid("instance/chat")
    edit_surface(box)

    box.kill(pid)

    box.until(lambda s: chat_pid(s) not in (None, 0, pid))
    assert ask(box.url, "hello").strip() == "hello"
    box.until(lambda s: [each.key for each in s.steps] == ["publish surface"])


@contextmanager
def taking(port):
    """Listen on a port as soon as its holder is gone."""
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                thief.bind(("127.0.0.1", port))
                break
            except OSError:
                continue
        thief.listen()
        yield


def test_a_port_that_was_taken_meanwhile_is_told_by_its_holder_and_taken_back(box):
    box.echo()
    box.apply()
    gateway, runner = box.pid("server/gateway"), box.pid("instance/chat")
    family = [psutil.Process(gateway), *psutil.Process(gateway).children()]
    daemon = box.daemon_pid()
    os.kill(daemon, signal.SIGSTOP)  # so that the thief is quicker
    try:
        for each in family:
            each.kill()
        with taking(box.port):
            os.kill(daemon, signal.SIGCONT)
            holder = f"taken by {psutil.Process().name()} (pid {os.getpid()})"
            box.until(lambda s: any(holder in each.message for each in s.objects))
    finally:
        os.kill(daemon, signal.SIGCONT)

    box.until(replaced("server/gateway", gateway))
    assert box.pid("instance/chat") == runner
    assert told(box, "server/gateway")[0].startswith("declared and not listening")


def test_one_that_cannot_heal_keeps_no_other_from_healing(box):
    box.echo("bad", script=json.dumps({"fail_load": "no such architecture"}))
    box.echo("chat")
    box.lmctl("apply", "--yes", str(box.fleet))
    pid = box.pid("instance/chat")

    for _ in range(2):
        box.kill(pid)
        status = box.until(lambda s: chat_pid(s) not in (None, 0, pid))  # noqa: B023
        pid = chat_pid(status)

    states = {each.key: each.state for each in box.status().objects}
    assert states["instance/bad"] == "Stalled"


def chat_pid(status):
    return next(each.facts["pid"] for each in status.objects if each.key == "instance/chat")


def test_weights_that_could_not_be_had_are_fetched_once_their_file_is_there(box):
    box.env["LMCTL_PERIOD_RESYNC"] = "1s"
    box.echo()
    script = box.fleet / "scripts" / "chat.json"
    aside = script.rename(box.root / "aside.json")
    applied = box.lmctl("apply", "--yes", str(box.fleet))
    assert applied.code == 1, applied.err
    aside.rename(script)
    box.until_ready()


def start_runner(spec):
    """Start a runner by hand, as nobody should."""
    command = [sys.executable, "-m", "lmctl.runner.main", "--spec", str(spec)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def test_processes_that_nobody_keeps_track_of_are_ended_and_those_of_others_are_not(box, tmp_path):
    box.env["LMCTL_PERIOD_RESYNC"] = "1s"
    box.echo()
    box.apply()
    (spec,) = box.home.runners.glob("*/spec.json")
    foreign = tmp_path / "another" / "runners" / spec.parent.name
    shutil.copytree(spec.parent, foreign, symlinks=True)
    elsewhere = spec.read_text().replace(str(box.home.sockets), str(tmp_path))
    (foreign / "spec.json").write_text(elsewhere)
    first = box.pid("instance/chat")

    with start_runner(spec) as second, start_runner(foreign / "spec.json") as other:
        try:
            box.until(lambda _: told_of_processes(box))
            box.until(lambda s: s.ready and not s.steps and one_is_gone(first, second))
            assert ask(box.url, "hello").strip() == "hello"
            assert other.poll() is None
        finally:
            other.kill()
            second.kill()
    assert "nobody keeps track of; corrected now" in told_of_processes(box)[0]


def told_of_processes(box):
    events = box.client.events(0)
    return [
        each.message
        for each in events
        if each.subject.startswith("process/") and each.reason == "Drifted"
    ]


def one_is_gone(first, second):
    """Whichever of the two nobody could reach any more."""
    return not psutil.pid_exists(first) or second.poll() is not None


def test_a_gateway_whose_note_was_deleted_goes_on(box):
    box.echo()
    box.apply()
    gateway = box.pid("server/gateway")

    (box.home.run / "gateway.json").unlink()
    box.lmctl("apply", "--yes", str(box.fleet))

    assert box.pid("server/gateway") == gateway
    assert ask(box.url, "hello").strip() == "hello"


def test_memory_above_the_budget_is_reported_and_nothing_is_restarted(box):
    box.echo(memory="{budget: 1Mi}", script="{}")
    ran = box.lmctl("apply", "--yes", str(box.fleet))
    assert ran.code == 0, ran.err
    pid = box.pid("instance/chat")

    status = box.until(lambda _: told(box, "instance/chat", "OverBudget"))

    assert "above its budget of 1.0 MiB" in told(box, "instance/chat", "OverBudget")[0]
    assert (status.ready, box.pid("instance/chat")) == (True, pid)
