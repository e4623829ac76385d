import asyncio
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from lmctl.adapters.mcp.session import ToolSession
from lmctl.adapters.mcp.targets import LocalTarget

SERVER = str(Path(__file__).parents[2] / "support" / "tool_server.py")
PATIENCE = 60.0


def tiny(**env) -> LocalTarget:
    """The tiny server over stdio."""
    return LocalTarget(sys.executable, (SERVER,), env)


def text(answer):
    return answer.content[0]["text"]


@contextmanager
def listening(kind, port=None):
    """The tiny server over HTTP; yields its process and port."""
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    command = [sys.executable, SERVER, kind, str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "running on" in line:
                    break
            yield process, port
        finally:
            process.kill()


@pytest.fixture
async def connect():
    """Open sessions that are closed when the test is over."""
    opened = []

    async def open_(target, **given):
        session = ToolSession(target, **{"patience": PATIENCE} | given)
        opened.append(session)
        await session.open()
        return session

    yield open_
    await asyncio.gather(*(each.close() for each in opened))
