"""OAuth of remote tool servers: a login by a person, kept, renewed, and asked for where it lacks."""

import asyncio
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import pytest

from lmctl.adapters.mcp.oauth import CALLBACK, OwnClient, oauth, without_a_person
from lmctl.adapters.mcp.oauth_callback import Callback
from lmctl.adapters.mcp.targets import RemoteTarget
from lmctl.base.errors import Refused
from tests.functional.mcp.conftest import PATIENCE, text

SERVER = str(Path(__file__).parents[2] / "support" / "oauth_server.py")


@pytest.fixture(autouse=True)
def port_to_ourselves():
    """Browsers come back to one port: tests that run beside each other take turns."""
    with (Path(tempfile.gettempdir()) / "lmctl-tests-login.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def server():
    """A server that wants a login; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, SERVER, str(port)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "running on" in line)
        yield f"http://127.0.0.1:{port}/mcp"
        process.kill()


def asked(url, path, *, own=None, show=None, back=None):
    if show is None:
        show, back = without_a_person("private")
    return RemoteTarget(url, transport="http", auth=oauth(url, path, own=own, show=show, back=back))


async def visit(page):
    """Do what a browser does whose user agrees."""
    async with httpx2.AsyncClient(follow_redirects=True, trust_env=False) as browser:
        assert "close this page" in (await browser.get(page)).text


@pytest.mark.parametrize("own", [None, OwnClient("known", "hunter2")], ids=["registers", "known"])
async def test_a_login_is_kept_and_renewed_without_a_person(connect, server, tmp_path, own):
    path = tmp_path / "logins" / "private.json"
    with pytest.raises(Refused, match="wants somebody to log in"):
        await connect(asked(server, path, own=own))
    visits = []

    async def show(page):
        visits.append(asyncio.create_task(visit(page)))

    async with Callback() as callback:
        await connect(asked(server, path, own=own, show=show, back=callback.answer))
    await asyncio.gather(*visits)
    assert path.stat().st_mode & 0o777 == 0o600
    before = json.loads(path.read_text())
    # As if its time were over: what is kept is enough to renew it.
    path.write_text(json.dumps(before | {"expires_at": 1.0}))
    session = await connect(asked(server, path, own=own))
    assert text(await session.call("add", {"a": 1, "b": 2}, seconds=PATIENCE)) == "3"
    assert json.loads(path.read_text())["tokens"] != before["tokens"]


async def test_a_login_counts_for_its_own_address_only(server, tmp_path, connect):
    path = tmp_path / "private.json"
    path.write_text(
        json.dumps({"url": "https://elsewhere.example/mcp", "tokens": {"access_token": "x"}})
    )
    with pytest.raises(Refused, match="wants somebody to log in"):
        await connect(asked(server, path))


async def test_who_does_not_agree_is_told():
    async with Callback() as callback, httpx2.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(CALLBACK.replace("mcp-oauth", "other"))).status_code == 404
        await browser.get(CALLBACK, params={"error": "access_denied"})
        with pytest.raises(Refused, match="access_denied"):
            await callback.answer()


async def test_a_second_login_beside_the_first_is_refused():
    async with Callback():
        with pytest.raises(Refused, match="33389"):
            async with Callback():
                pass


def test_the_command_line_shows_the_page_and_keeps_the_login(server, tmp_path):
    fleet, home = tmp_path / "fleet", tmp_path / "home"
    fleet.mkdir()
    (fleet / "mcp.json").write_text(json.dumps({"mcpServers": {"mine": {"url": server}}}))
    environment = {**os.environ, "LMCTL_HOME": str(home), "NO_COLOR": "1"}
    words = [sys.executable, "-m", "lmctl", "mcp"]
    with subprocess.Popen(
        [*words, "login", "mine", str(fleet)], stderr=subprocess.PIPE, text=True, env=environment
    ) as login:
        assert login.stderr is not None
        page = next(line for line in login.stderr if line.startswith("http"))
        httpx2.get(page.strip(), follow_redirects=True, trust_env=False, timeout=PATIENCE)
        told = login.stderr.read()
    assert login.returncode == 0, told
    assert "logged in to mine: 1 tools" in told
    assert (home / "logins" / "mine.json").exists()
    gone = subprocess.run([*words, "logout", "mine"], env=environment, check=False)
    assert gone.returncode == 0
    assert not (home / "logins" / "mine.json").exists()
