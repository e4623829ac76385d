"""Where the state lies, and places where it cannot."""

import fcntl
import socket
import stat
from pathlib import Path

import pytest

from lmctl.adapters.home import Home, home_of
from lmctl.base.errors import Refused, Unreachable
from lmctl.cli.client import DaemonClient, NoDaemon


@pytest.fixture
def far(tmp_path) -> Home:
    """A home whose own folder is too long for a socket."""
    home = Home(tmp_path / ("deep" * 30))
    yield home
    if home.sockets.is_symlink():
        home.sockets.unlink()
    elif home.sockets.is_dir():
        for each in home.sockets.iterdir():
            each.unlink()
        home.sockets.rmdir()


@pytest.mark.parametrize("place", ["file", "file/below", "~nobody-of-that-name/x"])
def test_a_home_that_cannot_be_is_refused(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused) as refused:
        home_of({"LMCTL_HOME": place})
    assert refused.value.hint == "set LMCTL_HOME to a folder you can write"


def test_a_home_that_cannot_be_made_is_refused():
    with pytest.raises(Refused, match="cannot hold lmctl's state"):
        Home(Path("/proc/lmctl")).prepare()


def test_a_file_where_a_folder_belongs_is_refused(tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(Refused, match="cannot hold lmctl's state"):
        Home(tmp_path).prepare()


def test_by_default_it_is_in_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_of({}).root == tmp_path / ".lmctl"


def test_the_short_folder_does_not_follow_tmpdir(far, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert far.sockets.parent == Path("/tmp")
    far.prepare()
    assert stat.S_IMODE(far.sockets.lstat().st_mode) == 0o700


def test_a_short_folder_that_others_can_enter_is_refused(far):
    far.sockets.mkdir(mode=0o755)
    for use in (far.prepare, lambda: DaemonClient(far)):
        with pytest.raises(Refused, match="0700"):
            use()


def test_a_short_folder_that_is_a_link_is_refused(far, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    far.sockets.symlink_to(elsewhere)
    for use in (far.prepare, lambda: DaemonClient(far)):
        with pytest.raises(Refused, match="0700"):
            use()
    assert list(elsewhere.iterdir()) == []


def test_a_short_folder_that_is_a_dangling_link_is_refused(far, tmp_path):
    far.sockets.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refused, match="0700"):
        far.prepare()


def test_the_holder_of_a_home(tmp_path):
    home = Home(tmp_path)
    assert home.holder() is None
    with home.lock.open("w") as lock:
        assert home.holder() is None
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert home.holder() == 0
        lock.write("42")
        lock.flush()
        assert home.holder() == 42
    assert home.holder() is None


def test_a_daemon_that_listens_and_does_not_answer_is_named(far):
    far.prepare()
    client = DaemonClient(far, deadline=0.05)
    with far.lock.open("w") as lock, socket.socket(socket.AF_UNIX) as silent:
        lock.write("42")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        silent.bind(str(far.control))
        silent.listen()
        with pytest.raises(Unreachable, match="pid 42") as hung:
            client.status()
    assert not isinstance(hung.value, NoDaemon)
    client.close()
