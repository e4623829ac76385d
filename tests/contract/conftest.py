"""A real gateway: gunicorn in a process of its own, on a free port, over real runner sockets."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from openai import AsyncOpenAI

import lmctl
from tests.support.gateway_box import Box
from tests.support.tiny_runner import tiny_runner

_ROOT = str(Path(lmctl.__file__).parent.parent)
_PATIENCE = 60  # seconds; a loaded machine starts slowly


class GatewayProcess:
    """The process and what it has logged, line by line."""

    def __init__(self, process: asyncio.subprocess.Process, box: Box) -> None:
        self.process = process
        self.box = box
        self.lines: list[dict] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def note(self) -> dict:
        return json.loads((self.box.folder / "gateway.json").read_bytes())

    @property
    def address(self) -> str:
        return self.note["binds"][0]

    def client(self) -> AsyncOpenAI:
        url = f"http://{self.address}/v1"
        return AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=_PATIENCE)

    async def logged(self, text: str, *, times: int = 1) -> list[dict]:
        """Wait until that many log lines contain the text."""
        async with asyncio.timeout(_PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self._with(text)) >= times)
        return self._with(text)

    async def end(self) -> int:
        """End it as the daemon does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_PATIENCE):
            code = await self.process.wait()
        await self._reading
        return code

    async def kill(self) -> None:
        """End master and workers at once: a graceful end takes a second that most tests need not."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        await self._reading

    def _with(self, text: str) -> list[dict]:
        return [line for line in self.lines if text in line["event"]]

    async def _read(self) -> None:
        while line := await self.process.stderr.readline():
            async with self._news:
                self.lines.append(json.loads(line))
                self._news.notify_all()


@asynccontextmanager
async def running_gateway(box, *arguments, workers=1, **started):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lmctl.api.main",
        "--bind", "127.0.0.1:0", "--workers", str(workers), *arguments,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        env=os.environ
        | {
            "LMCTL_RUN": str(box.folder),
            "LMCTL_LOG": "json",
            "LMCTL_GATEWAY_DIGEST": "d42",
            "PYTHONPATH": _ROOT,
        },
        **started,
    )  # fmt: skip
    gateway = GatewayProcess(process, box)
    try:
        await gateway.logged("ASGI server listening", times=workers)
        yield gateway
    finally:
        await gateway.kill()


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


@pytest.fixture
async def runner(box):
    box.serve(box.route("chat"), box.route("acme/big", instance="big", model="acme/big"))
    box.health(chat="ready")
    async with tiny_runner(box.socket("chat")) as running:
        yield running


@pytest.fixture
async def gateway(box, runner):
    async with running_gateway(box) as process:
        yield process


@pytest.fixture
async def client(gateway):
    async with gateway.client() as client:
        yield client
