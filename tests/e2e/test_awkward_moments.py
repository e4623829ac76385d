"""Killed, stopped, moved and edited at the wrong time: the box ends up as declared."""

import contextlib
import json
import os
import shutil
import signal
import socket

import httpx2
import psutil
import pytest

from tests.support.asking import ask

pytestmark = pytest.mark.e2e


def test_ten_hot_edits_each_land_without_waiting(box):
    box.echo(operation="{maxTokens: 1}")
    box.apply()
    for number in range(2, 12):
        box.echo(operation=f"{{maxTokens: {number}}}")
        box.until_ready(generation=number)
    assert not [each for each in box.client.events(0) if each.reason == "Failed"]
    assert len(ask(box.url, "w " * 30).split()) == 11


def test_moving_to_another_port(box):
    box.echo()
    box.apply()
    runner, old = box.pid("instance/chat"), box.url
    before = psutil.Process(box.pid("server/gateway"))
    box.port = _free()
    box.write("server.yaml", f"listen: {{port: {box.port}}}\n")
    box.until_ready(generation=2)
    assert ask(box.url, "hello").strip() == "hello"
    assert box.pid("instance/chat") == runner
    with contextlib.suppress(psutil.NoSuchProcess):
        before.wait(60)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{old}/livez")


def test_moving_to_a_taken_port_keeps_the_old_one_serving(box):
    box.echo()
    box.apply()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        box.write("server.yaml", f"listen: {{port: {taken}}}\n")
        box.until(lambda s: any("is taken by" in each.message for each in s.objects))
        assert ask(box.url, "hello").strip() == "hello"
    box.port = taken
    box.until_ready(generation=2)
    assert ask(box.url, "hello").strip() == "hello"


def test_queue_limits_are_hot_and_reach_the_runner(box):
    box.echo(load="{parallel: 1}", script=json.dumps({"token_seconds": 0.2}))
    box.apply()
    pid = box.pid("instance/chat")
    box.write("server.yaml", f"listen: {{port: {box.port}}}\nlimits: {{queue: 0}}\n")
    box.until_ready(generation=2)
    from tests.support.asking import body, streaming

    with streaming(box.url, "one two three four five six seven eight nine ten") as events:
        next(events)
        refused = httpx2.post(f"{box.url}/v1/chat/completions", json=body("me too"))
    assert refused.status_code == 429
    assert box.pid("instance/chat") == pid


def test_the_daemon_killed_while_a_runner_loads_leads_to_one_runner(box):
    box.echo(script=json.dumps({"load_seconds": 2}))
    box.lmctl("apply", "--yes", "--no-wait", str(box.fleet))
    box.until(lambda s: any(each.message.startswith("loading") for each in s.objects))
    (runner,) = _runners(box)
    pid = runner.pid
    box.kill(box.daemon_pid())
    (process,) = box.home.runners.glob("*/process.json")
    process.unlink()  # as if it had been killed before it wrote this down
    assert box.lmctl("daemon", "up").code == 0
    box.until_ready()
    assert box.pid("instance/chat") == pid
    assert len(_runners(box)) == 1


def test_what_a_killed_daemon_left_can_be_taken_down(box):
    box.echo()
    box.apply()
    box.kill(box.daemon_pid())
    down = box.lmctl("daemon", "down")
    assert down.code == 0
    assert box.left_over() == []


def test_a_daemon_that_hangs_is_not_called_gone(box):
    box.echo()
    box.apply()
    pid = box.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        down = box.lmctl("daemon", "down", timeout=90)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert down.code == 2
    assert str(pid) in down.err


def test_a_lost_database_loses_no_wish_and_restarts_nothing(box):
    box.echo()
    box.apply()
    before = box.pid("instance/chat"), box.pid("server/gateway")
    box.kill(box.daemon_pid())
    for path in box.home.root.glob("state.db*"):
        path.unlink()
    assert box.lmctl("daemon", "up").code == 0
    assert box.until_ready().roots == (str(box.fleet),)
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == before


def test_a_fleet_behind_a_link_that_is_swapped(box, tmp_path):
    box.echo("chat")
    blue, green = tmp_path / "blue", tmp_path / "green"
    shutil.copytree(box.fleet, blue)
    shutil.copytree(box.fleet, green)
    (green / "instances" / "chat.yaml").write_text(
        (green / "instances" / "chat.yaml")
        .read_text()
        .replace("identifier: chat", "identifier: new")
    )
    link = tmp_path / "current"
    link.symlink_to(blue)
    assert box.lmctl("apply", "--yes", str(link)).code == 0
    fresh = tmp_path / "fresh"
    fresh.symlink_to(green)
    fresh.replace(link)
    box.until_ready(generation=2)
    assert ask(box.url, "hello", model="new").strip() == "hello"


def test_two_folders_are_one_fleet(box, tmp_path):
    box.echo("chat")
    more = tmp_path / "more"
    (more / "instances").mkdir(parents=True)
    shutil.move(box.fleet / "instances" / "chat.yaml", more / "instances" / "chat.yaml")
    assert box.lmctl("apply", "--yes", str(box.fleet), str(more)).code == 0
    assert ask(box.url, "hello").strip() == "hello"


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _runners(box) -> list[psutil.Process]:
    return [each for each in box.left_over() if "lmctl.runner.main" in " ".join(each.cmdline())]
