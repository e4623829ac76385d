"""A directory of files becomes a serving box, and stays one: the installed `lmctl`, echo engine."""

import json
import socket

import httpx2
import pytest

from lmctl.planning.conditions import State
from tests.support.asking import ask, streaming, text_of

pytestmark = pytest.mark.e2e

WORDS = " ".join(f"word{n}" for n in range(60))
SLOW = json.dumps({"token_seconds": 0.05})


def test_files_become_a_box_that_answers(box):
    box.echo()
    diff = box.lmctl("diff", str(box.fleet))
    assert diff.code == 1, diff.err
    assert "+ instance/chat " in diff.out

    applied = box.apply()

    assert "generation 1 is ready" in applied.err
    assert ask(box.url, "hello there").strip() == "hello there"
    assert box.lmctl("status").code == 0
    assert box.lmctl("diff", str(box.fleet)).code == 0
    [model] = httpx2.get(f"{box.url}/api/v1/models").json()["models"]
    [loaded] = model["loaded_instances"]
    assert (loaded["id"], loaded["config"]["context_length"]) == ("chat", 4096)


def test_a_conversation_goes_on_after_the_gateway_died(box):
    box.echo()
    box.apply()
    asked = {"model": "chat", "input": "hello"}
    first = httpx2.post(f"{box.url}/api/v1/chat", json=asked).json()
    gateway = box.pid("server/gateway")
    box.kill(gateway)
    box.until(lambda status: status.ready and _pid_of_gateway(status) not in (None, gateway))
    more = asked | {"previous_response_id": first["response_id"]}
    again = httpx2.post(f"{box.url}/api/v1/chat", json=more).json()
    assert again["stats"]["input_tokens"] > first["stats"]["input_tokens"]


def _pid_of_gateway(status):
    return next(each.facts["pid"] for each in status.objects if each.key == "server/gateway")


def test_a_second_apply_has_nothing_to_do(box):
    box.echo()
    box.apply()
    pids = box.pid("instance/chat"), box.pid("server/gateway")
    again = box.apply()
    assert again.out == "In sync - nothing to do\n"
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == pids


def test_a_hot_edit_converges_by_itself_and_touches_no_process(box):
    box.echo(operation="{maxTokens: 5}")
    box.apply()
    pids = box.pid("instance/chat"), box.pid("server/gateway")
    assert len(ask(box.url, WORDS).split()) == 5

    box.echo(operation="{maxTokens: 3}")

    box.until_ready(generation=2)
    assert len(ask(box.url, WORDS).split()) == 3
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == pids


def test_a_load_edit_replaces_that_runner_and_leaves_its_neighbour(box):
    box.echo("chat")
    box.echo("other")
    box.apply()
    chat, other = box.pid("instance/chat"), box.pid("instance/other")

    box.echo("chat", load="{contextLength: 2048}")

    box.until_ready(generation=2)
    assert box.pid("instance/chat") != chat
    assert box.pid("instance/other") == other
    assert ask(box.url, "still here").strip() == "still here"


def test_removing_an_instance_unloads_it(box):
    box.echo("chat")
    box.echo("other")
    box.apply()

    (box.fleet / "instances" / "other.yaml").unlink()

    status = box.until_ready(generation=2)
    assert "instance/other" not in {each.key for each in status.objects}
    runners = list(box.home.runners.iterdir())
    assert [each.name.partition("@")[0] for each in runners] == ["chat"]


def test_a_broken_edit_changes_nothing_and_is_told_with_its_place(box):
    box.echo()
    box.apply()
    pid = box.pid("instance/chat")

    box.write("instances/chat.yaml", "apiVersion: lmctl/v1alpha1\nkind: Instanze\n")

    status = box.until(lambda s: bool(s.problems))
    assert status.problems[0].file.endswith("instances/chat.yaml")
    assert "Instance" in (status.problems[0].hint or "")
    assert box.pid("instance/chat") == pid
    assert ask(box.url, "hello").strip() == "hello"
    assert box.lmctl("status").code == 1
    box.echo()
    box.until_ready()


def test_an_emptied_folder_unloads_nothing(box):
    box.echo()
    box.apply()
    pid = box.pid("instance/chat")
    for path in sorted(box.fleet.rglob("*.yaml")):
        path.unlink()
    status = box.until(lambda s: any("no manifests" in each.message for each in s.problems))
    assert not status.ready
    assert box.pid("instance/chat") == pid


def test_a_killed_runner_ends_its_stream_with_an_error_and_is_started_again(box):
    box.echo(script=SLOW)
    box.apply()
    pid = box.pid("instance/chat")

    with streaming(box.url, WORDS) as events:
        next(events)
        box.kill(pid)
        rest = list(events)

    assert "error" in rest[-1]
    assert "chat" in rest[-1]["error"]["message"]
    assert ask(box.url, "are you back").strip() == "are you back"
    box.until_ready()
    assert box.pid("instance/chat") != pid


def test_killing_the_daemon_interrupts_nothing_and_the_next_one_adopts(box):
    box.echo(script=SLOW)
    box.apply()
    before = box.pid("instance/chat"), box.pid("server/gateway")

    with streaming(box.url, WORDS) as events:
        next(events)
        box.kill(box.daemon_pid())
        assert ask(box.url, "served without a daemon").strip() == "served without a daemon"
        assert httpx2.get(f"{box.url}/readyz").status_code == 200
        assert box.lmctl("daemon", "up").code == 0
        box.until_ready()
        rest = list(events)

    assert rest[-1] is None
    assert "word59" in text_of(rest)
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == before
    assert "step started" not in box.logs().rpartition("daemon started")[2]


def test_a_daemon_that_finds_broken_manifests_keeps_what_runs(box):
    box.echo()
    box.apply()
    pid = box.pid("instance/chat")
    box.kill(box.daemon_pid())
    box.write("instances/chat.yaml", "a: [\n")
    assert box.lmctl("daemon", "up").code == 0
    box.until(lambda s: bool(s.problems))
    assert box.pid("instance/chat") == pid
    assert ask(box.url, "hello").strip() == "hello"


def test_a_load_that_cannot_work_stalls_with_its_reason_until_it_is_fixed(box):
    box.echo(script=json.dumps({"fail_load": "unknown architecture", "fail_kind": "config"}))
    applied = box.lmctl("apply", "--yes", str(box.fleet))
    assert applied.code == 1
    assert "unknown architecture" in applied.err
    waited = box.lmctl("wait", "instance/chat")
    assert (waited.code, "unknown architecture" in waited.err) == (1, True)
    answer = httpx2.post(f"{box.url}/v1/chat/completions", json={"model": "chat", "messages": []})
    assert answer.status_code in (400, 503)

    box.echo("better")
    (box.fleet / "instances" / "chat.yaml").unlink()
    assert box.until_ready(generation=2).ready


def test_a_taken_port_is_named_and_tried_again(box):
    box.echo()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", box.port))
        holder.listen()
        applied = box.lmctl("apply", "--yes", "--timeout", "4s", str(box.fleet))
        assert applied.code == 5
        assert f"port {box.port} of 127.0.0.1 is taken" in applied.err
    box.until_ready()


def test_a_source_that_cannot_be_reached_gives_way_and_the_status_says_why(box):
    box.echo()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    box.write(
        "models/chat/model.yaml",
        f"""\
        model: acme/chat
        base:
          - key: acme/chat-script
            sources:
              - {{type: url, url: "http://127.0.0.1:{port}/chat.json", sha256: "{"0" * 64}"}}
              - {{type: file, path: ../../scripts/chat.json}}
        """,
    )
    box.apply()
    got = box.lmctl("get", "model/acme/chat")
    assert f"cannot reach 127.0.0.1:{port} (connection refused)" in got.out


def test_wrong_bytes_are_quarantined_and_never_loaded(box):
    box.echo()
    box.write(
        "models/chat/model.yaml",
        f"""\
        model: acme/chat
        base:
          - key: acme/chat-script
            sources:
              - {{type: file, path: ../../scripts/chat.json, sha256: "{"0" * 64}"}}
        """,
    )
    applied = box.lmctl("apply", "--yes", "--timeout", "5s", str(box.fleet))
    assert applied.code in (1, 5)
    assert "sha256" in applied.err
    assert not list(box.home.runners.iterdir())


def test_weights_changed_on_disk_are_noticed_quarantined_and_fetched_again(box):
    box.echo(script='{"context_length": 4096}')
    box.apply()
    (blob,) = (path for path in (box.home.root / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o600)
    blob.write_bytes(b'{"context_length": 4097}')
    box.lmctl("apply", "--yes", str(box.fleet))
    box.until_ready()
    assert blob.read_bytes() == b'{"context_length": 4096}'
    assert list((box.home.root / "quarantine").iterdir())


def test_a_model_put_there_by_hand_can_be_declared(box):
    folder = box.home.root / "models" / "me" / "mine"
    folder.mkdir(parents=True)
    (folder / "mine.gguf").write_text("{}")
    assert "model/me/mine" in box.lmctl("get", "models").out
    box.instance("mine", "me/mine", runtime="echo")
    box.apply()
    assert ask(box.url, "hello", model="mine").strip() == "hello"
    assert (folder / "mine.gguf").read_text() == "{}"


def test_nobody_to_ask_means_nothing_is_changed(box):
    box.echo()
    applied = box.lmctl("apply", str(box.fleet))
    assert applied.code == 2
    assert "--yes" in applied.err
    assert not box.home.control.exists()


@pytest.mark.parametrize("command", ["validate", "diff", "plan", "status", "get", "events"])
def test_every_view_is_json_on_stdout(box, command):
    box.echo()
    box.apply()
    words = [command, str(box.fleet)] if command in ("validate", "diff", "plan") else [command]
    ran = box.lmctl(*words, "-o", "json")
    assert isinstance(ran.json, dict)
    assert ran.code == 0, ran.err


def test_broken_manifests_are_refused_with_exit_code_2(box):
    box.write("instances/bad.yaml", "kind: Instance\n")
    for command in ("validate", "diff", "apply"):
        ran = box.lmctl(command, str(box.fleet))
        assert ran.code == 2, command
        assert "instances/bad.yaml:1" in ran.err
    assert not box.home.control.exists()


def test_waiting_ends_with_code_5_and_what_blocks(box):
    box.echo(script=json.dumps({"load_seconds": 600}))
    ran = box.lmctl("apply", "--yes", "--no-wait", str(box.fleet))
    assert ran.code == 0, ran.err
    waited = box.lmctl("wait", "--timeout", "1s")
    assert waited.code == 5
    assert "  instance/chat loading, 0%\n" in waited.err


def test_a_newer_edit_supersedes_a_slow_load(box):
    box.echo(script=json.dumps({"load_seconds": 600}))
    box.lmctl("apply", "--yes", "--no-wait", str(box.fleet))
    box.until(lambda s: any(each.message.startswith("loading") for each in s.objects))
    box.echo("quick")
    (box.fleet / "instances" / "chat.yaml").unlink()
    status = box.until_ready(generation=2)
    assert [each.key for each in status.objects if each.kind == "instance"] == ["instance/quick"]
    assert all(each.state is State.READY for each in status.objects)


def test_two_daemons_never_share_a_home(box):
    box.echo()
    box.apply()
    second = box.lmctl("daemon", "run")
    assert second.code == 2
    assert f"pid {box.daemon_pid()}" in second.err
