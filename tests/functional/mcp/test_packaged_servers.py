"""Tool servers as people install them: two of Python, in the newer era, two of Node, in the older one."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lmctl.adapters.mcp.targets import LocalTarget, RemoteTarget
from lmctl.base.errors import Unreachable
from tests.functional.mcp.conftest import PATIENCE, text
from tests.support.node import node_packages

BIN = Path(sys.executable).parent
needs_node = pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node with npm")


def node(name: str, *arguments: str) -> LocalTarget:
    program = (
        node_packages() / "node_modules" / "@modelcontextprotocol" / name / "dist" / "index.js"
    )
    return LocalTarget("node", (str(program), *arguments))


async def test_the_time_server(connect):
    session = await connect(LocalTarget(str(BIN / "mcp-server-time")))
    answer = await session.call("get_current_time", {"timezone": "Etc/UTC"}, seconds=PATIENCE)
    assert '"timezone": "Etc/UTC"' in text(answer)
    assert session.protocol == "2026-07-28"


@pytest.fixture
def repository(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return str(tmp_path)


async def test_the_git_server(connect, repository):
    session = await connect(LocalTarget(str(BIN / "mcp-server-git")))
    answer = await session.call("git_status", {"repo_path": repository}, seconds=PATIENCE)
    assert "No commits yet" in text(answer)


@pytest.mark.e2e
@needs_node
async def test_the_filesystem_server(connect, tmp_path):
    (tmp_path / "note.txt").write_text("hello there")
    session = await connect(node("server-filesystem", str(tmp_path)))
    path = {"path": str(tmp_path / "note.txt")}
    assert text(await session.call("read_text_file", path, seconds=PATIENCE)) == "hello there"
    assert session.protocol < "2026"


@pytest.mark.e2e
@needs_node
async def test_the_everything_server(connect):
    session = await connect(node("server-everything", "stdio"))
    assert "3" in text(await session.call("get-sum", {"a": 1, "b": 2}, seconds=PATIENCE))
    kinds = [
        each["type"]
        for each in (await session.call("get-tiny-image", {}, seconds=PATIENCE)).content
    ]
    assert "image" in kinds
    assert session.protocol < "2026"


@pytest.fixture
def everything(request):
    """Run it as a server of its own; return its address."""
    kind, path = request.param
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    target = node("server-everything", kind)
    with subprocess.Popen(
        [target.command, *target.args],
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            next(line for line in process.stderr if str(port) in line)
            yield process, f"http://127.0.0.1:{port}/{path}"
        finally:
            process.kill()


@pytest.mark.e2e
@needs_node
@pytest.mark.parametrize(
    "everything", [("streamableHttp", "mcp"), ("sse", "sse")], indirect=True, ids=["http", "sse"]
)
async def test_the_everything_server_elsewhere_which_dies(connect, everything):
    process, address = everything
    session = await connect(RemoteTarget(address))
    assert "hi" in text(await session.call("echo", {"message": "hi"}, seconds=PATIENCE))
    process.kill()
    process.wait()
    with pytest.raises(Unreachable):
        await session.call("echo", {"message": "hi"}, seconds=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        await session.close()


@pytest.mark.e2e
@needs_node
async def test_what_an_older_server_asks_back_is_declined_and_its_changes_are_heard(connect):
    told, changed = [], asyncio.Event()
    session = await connect(
        node("server-everything", "stdio"), tell=told.append, period=600.0, changed=changed.set
    )
    names = {each.name for each in session.tools}
    assert {"trigger-sampling-request", "trigger-elicitation-request"} < names
    asked = await session.call("trigger-elicitation-request", {}, seconds=PATIENCE)
    assert "declin" in text(asked).casefold()
    sampled = await session.call("trigger-sampling-request", {"prompt": "hi"}, seconds=PATIENCE)
    assert sampled.failed
    assert len([each for each in told if "declined" in each]) == 2
