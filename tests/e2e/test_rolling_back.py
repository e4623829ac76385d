"""Going back to an earlier generation, leaving things alone, and what is remembered of it all."""

import json
import subprocess

import httpx2
import pytest

from lmctl.planning.conditions import State
from tests.support.asking import ask

pytestmark = pytest.mark.e2e


def context(box) -> int:
    """The context length the box serves `chat` with now."""
    runner = next(each for each in box.home.runners.glob("chat@*/spec.json"))
    return int(json.loads(runner.read_text())["load"]["context_length"])


def edit(box, length: int) -> None:
    box.echo(load=f"{{contextLength: {length}}}")


def object_of(status, key: str):
    return next(each for each in status.objects if each.key == key)


def test_a_rollback_is_held_until_the_next_edit_and_over_a_restart(box):
    for number, length in enumerate((1024, 2048, 4096), start=1):
        edit(box, length)
        if number == 1:
            box.apply()
        box.until_ready(generation=number)

    back = box.lmctl("rollback", "--yes", "--reason", "answers got worse")

    assert back.code == 0, back.err
    assert "rolled back to generation 2; held: source digest" in back.err
    assert context(box) == 2048
    status = box.status()
    assert (status.generation, status.ready) == (4, True)
    assert status.hold is not None
    assert status.hold.reason == "answers got worse"
    assert "rolled back to generation 2" in box.lmctl("status").out

    box.kill(box.daemon_pid())
    assert "rolled back to generation 2" in box.lmctl("status").out  # nobody runs: it looks itself
    pid = next(iter(box.home.runners.glob("chat@*/process.json"))).read_text()
    assert box.lmctl("daemon", "up").code == 0
    assert box.until_ready(generation=4).hold is not None
    assert next(iter(box.home.runners.glob("chat@*/process.json"))).read_text() == pid

    edit(box, 8192)
    status = box.until_ready(generation=5)
    assert status.hold is None
    assert context(box) == 8192
    told = box.lmctl("history", "-o", "json").json["generations"]
    assert [(each["cause"], each["of"], each["result"]) for each in told] == [
        ("edit", 0, "converged"),
        ("edit", 0, "converged"),
        ("edit", 0, "converged"),
        ("rollback", 2, "converged"),
        ("edit", 0, "converged"),
    ]
    reasons = [each.reason for each in box.client.events(0) if each.subject == "box"]
    assert "RolledBack" in reasons
    assert "Released" in reasons


def test_a_rollback_ends_on_request_and_an_apply_of_what_is_held_is_such_a_request(box):
    edit(box, 1024)
    box.apply()
    edit(box, 2048)
    box.until_ready(generation=2)
    assert box.lmctl("rollback", "1", "--yes").code == 0
    cancelled = box.lmctl("rollback", "--cancel")
    assert "resumed: the hold at generation 1" in cancelled.err
    box.until_ready(generation=4)
    assert context(box) == 2048
    assert box.lmctl("rollback", "1", "--yes").code == 0
    assert context(box) == 1024
    box.apply()
    assert context(box) == 2048
    causes = [each["cause"] for each in box.lmctl("history", "-o", "json").json["generations"]]
    assert causes == ["edit", "edit", "rollback", "resume", "rollback", "resume"]
    refused = box.lmctl("rollback", "6", "--yes")
    assert (refused.code, refused.err) == (2, "error: generation 6 is what is in force already\n")


def test_what_is_suspended_runs_on_and_is_not_changed(box):
    edit(box, 1024)
    box.apply()
    pid = box.pid("instance/chat")
    nameless = box.lmctl("suspend", "instance/nobody", "--reason", "x")
    assert nameless.code == 2
    assert "no `instance/nobody` to suspend" in nameless.err

    assert box.lmctl("suspend", "instance/chat", "--reason", "a demo").code == 0
    box.echo(load="{contextLength: 4096}", operation="{maxTokens: 2}")
    status = box.until(lambda s: s.generation == 2)

    assert object_of(status, "instance/chat").state is State.SUSPENDED
    assert "a demo" in object_of(status, "instance/chat").message
    assert ask(box.url, "one two three four").split() == ["one", "two", "three", "four"]
    assert box.pid("instance/chat") == pid
    assert "suspended: instance/chat: a demo (since" in box.lmctl("status").out

    resumed = box.lmctl("resume", "instance/chat")
    assert "resumed: instance/chat" in resumed.err
    box.until_ready(generation=2)
    assert context(box) == 4096
    assert ask(box.url, "one two three four").split() == ["one", "two"]


def test_a_suspension_of_the_box_ends_by_itself(box):
    edit(box, 1024)
    box.apply()
    assert box.lmctl("suspend", "--reason", "a demo", "--until", "3s").code == 0
    edit(box, 2048)
    box.until(lambda s: s.generation == 2 and not s.ready)
    assert context(box) == 1024
    box.until_ready(generation=2)
    assert context(box) == 2048
    assert any("its suspension is over" in each.message for each in box.client.events(0))


def test_suspending_without_a_daemon_holds_the_next_one_back(box):
    edit(box, 1024)
    box.apply()
    box.kill(box.daemon_pid())
    assert box.lmctl("suspend", "--reason", "a demo").code == 0
    edit(box, 2048)
    assert box.lmctl("daemon", "up").code == 0
    box.until(lambda s: s.generation == 2)
    assert context(box) == 1024
    assert box.lmctl("resume").code == 0
    box.until_ready(generation=2)
    assert context(box) == 2048


def test_an_instance_suspended_by_its_manifest_says_where(box):
    box.echo(load="{contextLength: 1024}")
    box.apply()
    box.echo(load="{contextLength: 2048}", suspend="true")
    status = box.until(lambda s: s.generation == 2)
    message = object_of(status, "instance/chat").message
    assert f"`suspend: true` at {box.fleet}/instances/chat.yaml:4" in message
    refused = box.lmctl("resume", "instance/chat")
    assert refused.code == 2
    assert "is suspended by its manifest" in refused.err
    box.echo(load="{contextLength: 2048}")
    box.until_ready(generation=3)
    assert context(box) == 2048


def test_history_knows_the_commit_the_files_and_the_plan(box):
    def git(*words: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        return subprocess.check_output(["git", *identity, "-C", str(box.fleet), *words], text=True)

    edit(box, 1024)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "A chat box")
    commit = git("rev-parse", "HEAD").strip()
    box.apply()
    edit(box, 2048)
    box.until_ready(generation=2)

    first, second = box.lmctl("history", "-o", "json").json["generations"]

    assert (first["commit"], first["author"], first["title"]) == (
        commit,
        "Ada <ada@example.com>",
        "A chat box",
    )
    assert (first["dirty"], second["dirty"], second["commit"]) == (False, True, commit)
    assert first["summary"].startswith("1 to ensure, 1 to fetch")
    shown = box.lmctl("history", "show", "1").out
    assert f"{commit[:9]} by Ada <ada@example.com>: A chat box" in shown
    assert f"{box.fleet}/instances/chat.yaml" in shown
    assert "+ instance/chat" in shown
    text = box.lmctl("history", "show", "1", "--file", "instances/chat.yaml").out
    assert "contextLength: 1024" in text


def test_going_back_says_what_must_be_fetched_again(box):
    box.echo("chat", script="{}")
    box.apply()
    box.echo("chat", script=json.dumps({"token_seconds": 0.001}))
    box.write("models/chat/model.yaml", (box.fleet / "models/chat/model.yaml").read_text()
              .replace("../../scripts/chat.json", "../../scripts/other.json"))  # fmt: skip
    box.write("scripts/other.json", "{}  ")
    box.until_ready(generation=2)
    box.write("scripts/chat.json", "{}")
    for each in (box.home.root / "weights").iterdir():
        each.unlink()
    for each in (box.home.root / "blobs").rglob("*"):
        if each.is_file():
            each.unlink()
    back = box.lmctl("rollback", "1", "--yes", "--no-wait")
    assert "> model/acme/chat" in back.out, back.out + back.err
    box.until_ready(generation=3)
    assert httpx2.get(f"{box.url}/readyz").status_code == 200


def test_why_tells_the_edit_the_actions_and_what_is_held(box):
    edit(box, 1024)
    box.apply()
    edit(box, 2048)
    box.until_ready(generation=2)
    told = box.lmctl("why", "instance/chat")
    assert told.code == 0, told.err
    assert told.out.startswith("instance/chat: Ready, serving as chat\n")
    assert "last edit\n  generation 2, " in told.out
    assert "load.contextLength: 1024 -> 2048" in told.out
    assert "instances/chat.yaml:4" in told.out
    assert "done after" in told.out
    box.lmctl("suspend", "instance/chat", "--reason", "a demo")
    edit(box, 4096)
    box.until(lambda s: s.generation == 3)
    held = box.lmctl("why", "instance/chat", "-o", "json").json
    assert held["suspended"].startswith("a demo (since")
    assert held["work"][0]["held"].startswith("suspended: a demo")
    assert held["edit"]["generation"]["number"] == 3
    assert [each["outcome"] for each in held["actions"]].count("done") == len(held["actions"])
    unknown = box.lmctl("why", "instance/nobody")
    assert unknown.code == 2
    assert "no `instance/nobody`" in unknown.err


def test_what_is_remembered_is_checked_copied_and_rebuilt_without_a_restart(box, tmp_path):
    for number, length in enumerate((1024, 2048), start=1):
        edit(box, length)
        if number == 1:
            box.apply()
        box.until_ready(generation=number)
    pids = box.pid("instance/chat"), box.pid("server/gateway")
    assert box.lmctl("state", "check").out == "all is sound\n"
    copy = tmp_path / "copy.tar.gz"
    assert box.lmctl("state", "backup", str(copy)).code == 0
    assert "home/" not in subprocess.check_output(["tar", "-tzf", str(copy)], text=True)
    assert "state.db\n" in subprocess.check_output(["tar", "-tzf", str(copy)], text=True)
    running = box.lmctl("state", "rebuild")
    assert running.code == 2
    assert "a daemon already runs" in running.err

    box.kill(box.daemon_pid())
    assert "2 generation(s) restored" in box.lmctl("state", "rebuild").err
    assert box.lmctl("daemon", "up").code == 0
    assert box.until_ready().generation == 2
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == pids

    box.kill(box.daemon_pid())
    for path in box.home.root.glob("state.db*"):
        path.unlink()
    assert box.lmctl("daemon", "up").code == 0
    assert box.until_ready().generation == 2
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == pids
    assert box.lmctl("rollback", "1", "--yes").code == 0
    assert context(box) == 1024
    (box.home.root / "hold.json").write_text("{")
    broken = box.lmctl("state", "check")
    assert broken.code == 1
    assert "hold.json` is damaged" in broken.out
