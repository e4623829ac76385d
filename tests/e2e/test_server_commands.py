"""`lmctl server`: what is declared changes with it, in the file, and models stay loaded."""

import pytest

from tests.support.box import free_port
from tests.support.terminal import terminal

pytestmark = pytest.mark.e2e


def test_a_server_is_stopped_and_started_by_what_its_manifest_says(box):
    assert box.lmctl("server", "start").code == 2  # it was never told what to serve
    box.echo()
    box.apply()
    server = box.fleet / "server.yaml"
    assert box.lmctl("server", "status", "--json").json == {"running": True, "port": box.port}
    up = box.lmctl("daemon", "up", "--json").json
    assert (up["status"], up["pid"], up["isDaemon"]) == ("running", box.daemon_pid(), True)
    unchanged = box.lmctl("server", "start")
    assert (unchanged.code, "enabled" in server.read_text()) == (0, False)

    refused = box.lmctl("server", "stop")
    assert (refused.code, "nobody to ask" in refused.err) == (2, True)
    stopped = box.lmctl("server", "stop", "--yes")
    assert (stopped.code, f"port {box.port}" in stopped.err) == (0, True), stopped.err
    assert "+listen: {host: 127.0.0.1, port:" in stopped.out
    assert "enabled: false" in server.read_text()
    off = box.lmctl("server", "status", "--json")
    assert (off.code, off.json) == (1, {"running": False, "port": box.port})
    assert box.lmctl("server", "stop").code == 1
    assert [each["identifier"] for each in box.lmctl("ps", "--json").json] == ["chat"]

    port = free_port()
    with terminal("server", "start", "-p", str(port), "--cors", env=env(box)) as shown:
        shown.until("Write it to")
        shown.type("y\r")
        shown.until("warning: pages of other origins may call")
        shown.until(f"serving at http://127.0.0.1:{port}")
        assert shown.ended() == 0
    assert f"port: {port}" in server.read_text()
    assert "enabled: true" in server.read_text()
    there = box.lmctl("server", "status", "--json", "--host", f"127.0.0.1:{port}")
    assert there.json == {"running": True, "port": port}
    assert box.lmctl("server", "status", "--host", "127.0.0.1:1").code == 1


def env(box):
    return {"LMCTL_HOME": str(box.home.root), "NO_COLOR": "1"}
