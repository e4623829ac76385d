"""What waiting makes of a status, and what it says."""

import socket
import threading
from contextlib import contextmanager

import msgspec
import pytest

from lmctl.adapters.home import Home
from lmctl.base.errors import NotFound
from lmctl.cli.client import DaemonClient
from lmctl.cli.following import follow_until
from lmctl.cli.goals import Goal
from lmctl.cli.printer import Output, Printer
from lmctl.cli.selecting import key_of, select
from lmctl.planning.conditions import State
from lmctl.planning.report import BoxStatus, ObjectView, ProblemView

PROBLEM = ProblemView("error", "f.yaml", 3, 7, "unknown kind")


def view(key, state=State.READY, message="as it should be", generation=1):
    kind, _, name = key.partition("/")
    return ObjectView(key, kind, name, state is State.READY, state, message, generation)


def status(*objects, problems=(), generation=1, roots=("/fleet",)):
    ready = all(each.ready for each in objects) and not problems and generation > 0
    return BoxStatus(ready, generation, roots, None, None, objects, (), problems)


@contextmanager
def daemon_saying(home, *statuses):
    """A daemon that has these lines to say, then ends."""
    home.prepare()
    body = b"".join(msgspec.json.encode(each) + b"\n" for each in statuses)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.control))
        listener.listen()

        def answer():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)

        thread = threading.Thread(target=answer)
        thread.start()
        client = DaemonClient(home)
        yield client
        client.close()
        thread.join()
    home.control.unlink()
    if home.sockets != home.run:
        home.sockets.rmdir()


def follow(tmp_path, *statuses, wanted=(), timeout=60.0, quiet=True, goal="ready"):
    with daemon_saying(Home(tmp_path / "home"), *statuses) as client:
        return follow_until(
            client, Printer(quiet=quiet), timeout=timeout, wanted=wanted, goal=Goal.parse(goal)
        ).code


def test_ready_at_last(tmp_path, capsys):
    waiting = status(view("instance/chat", State.RECONCILING, "loading"))
    assert follow(tmp_path, waiting, status(view("instance/chat"))) == 0
    assert capsys.readouterr().err == ""


def test_the_first_trouble_of_each_object_is_told_even_when_quiet(tmp_path, capsys):
    first = status(view("instance/chat", State.RETRYING, "out of memory"), view("model/m"))
    second = status(view("instance/chat", State.RETRYING, "again"), view("model/m"))
    assert follow(tmp_path, first, second, status(view("instance/chat"))) == 0
    assert capsys.readouterr().err == "  retry    instance/chat: out of memory\n"


def test_a_stalled_object_ends_it_with_one_sentence(tmp_path, capsys):
    assert follow(tmp_path, status(view("instance/chat", State.STALLED, "no such file"))) == 1
    assert capsys.readouterr().err == "error: instance/chat: no such file\n"


@pytest.mark.parametrize("wanted", [(), ("instances/chat",)])
def test_broken_manifests_end_it_with_their_place(tmp_path, capsys, wanted):
    now = status(view("instance/chat"), problems=(PROBLEM,))
    assert follow(tmp_path, now, wanted=wanted) == 2
    assert "  f.yaml:3:7: error: unknown kind\n" in capsys.readouterr().err


def test_late_names_what_blocks_and_what_was_warned_about(tmp_path, capsys):
    now = status(
        view("instance/chat", State.RECONCILING, "loading"),
        problems=(msgspec.structs.replace(PROBLEM, severity="warning"),),
    )
    assert follow(tmp_path, now, timeout=0.0) == 5
    told = capsys.readouterr().err
    assert told.startswith("error: not ready after 0.0s\n  instance/chat loading\n")
    assert "  f.yaml:3:7: warning: unknown kind\n" in told


def test_names_are_judged_once_the_manifests_were_read(tmp_path):
    unread = status(generation=0)
    assert follow(tmp_path, unread, status(view("instance/x")), wanted=("instances/x",)) == 0


def test_what_is_not_declared_yet_is_waited_for(tmp_path, capsys):
    without, within = status(view("instance/x")), status(view("instance/x"), view("instance/y"))
    assert follow(tmp_path, without, within, wanted=("instance/y",)) == 0
    assert follow(tmp_path, without, wanted=("instances/y",), timeout=0.0) == 5
    assert capsys.readouterr().err == (
        "error: not ready after 0.0s\n  instance/y is not declared; there is: instance/x\n"
    )
    with pytest.raises(NotFound, match="unknown kind `pod`"):
        key_of("pod/x")


def test_other_objects_do_not_matter_to_a_name(tmp_path):
    now = status(view("instance/x"), view("instance/y", State.STALLED, "broken"))
    assert follow(tmp_path, now, wanted=("instance/x",)) == 0


def test_words_for_objects():
    found = [view("instance/a"), view("instance/b"), view("model/acme/m")]
    assert [each.key for each in select(found, "instances")] == ["instance/a", "instance/b"]
    assert [each.key for each in select(found, "models/acme/m")] == ["model/acme/m"]
    with pytest.raises(NotFound, match="unknown kind `pod`"):
        select(found, "pod/x")


def test_items_of_a_stream(capsys):
    for output in (Output.TEXT, Output.JSON, Output.YAML):
        Printer(output).item({"a": 1}, "text")
    assert capsys.readouterr().out == 'text\n{"a":1}\n---\na: 1\n'
