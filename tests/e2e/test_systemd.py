"""The daemon as a service: what its manager hears, and that a loop which hangs falls silent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from lmctl.adapters.systemd import service_manager

pytestmark = pytest.mark.e2e

UNITS = Path(__file__).parents[2] / "config" / "systemd"
PATIENCE = 60.0
BEAT = 0.2  # seconds between two pings


class Manager:
    """The receiving end of the protocol, as systemd has it."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.environment = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(BEAT * 3 * 1e6)),
        }

    def hears(self, message: str, *, within: float = PATIENCE) -> bool:
        """Wait for a message; False when `within` seconds bring nothing at all."""
        self.socket.settimeout(within)
        try:
            while not self.socket.recv(4096).decode().startswith(message):
                continue
        except TimeoutError:
            return False
        return True

    def forget(self) -> None:
        """Throw away what was said already."""
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.socket.recv(4096)


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify.sock")
    yield made
    made.socket.close()


@contextmanager
def service(box, manager):
    process = subprocess.Popen(
        [sys.executable, "-m", "lmctl", "daemon", "run", "--on-exit", "keep", str(box.fleet)],
        env={**os.environ, "LMCTL_HOME": str(box.home.root), **manager.environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_manager_hears_of_the_whole_life(box, manager):
    box.echo()
    with service(box, manager) as process:
        assert manager.hears("READY=1")
        assert manager.hears("STATUS=generation 1: 4 of 4 ready")  # what is not read is dropped
        assert manager.hears("WATCHDOG=1")
        runner = box.pid("instance/chat")
        assert "NOTIFY_SOCKET" not in psutil.Process(runner).environ()
        process.send_signal(signal.SIGTERM)
        assert manager.hears("STOPPING=1")
        assert process.wait(PATIENCE) == 0
        assert psutil.pid_exists(runner)


def test_a_loop_that_hangs_falls_silent_and_one_that_goes_on_is_heard_again(box, manager):
    box.echo()
    with service(box, manager) as process:
        assert manager.hears("READY=1")
        box.until_ready()
        surface = box.home.run / "surface.json"
        content = surface.read_bytes()
        surface.unlink()
        os.mkfifo(surface)
        process.send_signal(signal.SIGHUP)
        with surface.open("wb") as feeding:  # opens once the turn reads, and so hangs
            manager.forget()
            assert not manager.hears("WATCHDOG=1", within=BEAT * 5)
            feeding.write(content)
            surface.unlink()
        assert manager.hears("WATCHDOG=1")


def test_nobody_is_told_where_nobody_asked():
    alone = service_manager({})
    alone.ready()
    assert alone.beat == float("inf")
    other = {"NOTIFY_SOCKET": "@gone", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    told = service_manager(other)
    told.ready()  # nobody listens there: no trouble of ours
    assert told.beat == float("inf")
    assert other == {}


def test_an_abstract_address_is_understood():
    name = f"lmctl-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(PATIENCE)
        service_manager({"NOTIFY_SOCKET": f"@{name}"}).status("two\nlines")
        assert listener.recv(100) == b"STATUS=two lines"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
@pytest.mark.parametrize("kind", ["system", "user"])
def test_units_are_what_systemd_understands(kind, tmp_path):
    text = (UNITS / kind / "lmctl.service").read_text()
    program = Path(sys.executable).with_name("lmctl")
    for line in text.splitlines():
        if line.startswith("ExecStart="):
            text = text.replace(line.split()[0], f"ExecStart={program}")
    unit = tmp_path / "lmctl.service"
    unit.write_text(text.replace("#LoadCredential=", "LoadCredential="))
    ran = subprocess.run(
        ["systemd-analyze", "verify", f"--{kind}", unit],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
