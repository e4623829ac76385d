"""A runner in a process of its own, and the ways tests look at it."""

import asyncio
import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lmctl.adapters import runner_client
from lmctl.base.errors import Unreachable
from lmctl.base.spec import LoadSettings, Phase, RunnerSpec, RunnerStatus, WeightFile
from lmctl.base.talk import Call, Chat, Event, Finished, Message, TextDelta

PATIENCE = 60.0


def weight_file(path: Path) -> WeightFile:
    seen = path.stat()
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return WeightFile(path.name, str(path), sha256, seen.st_size, seen.st_mtime_ns, seen.st_ino)


@dataclass
class Box:
    folder: Path
    spec: RunnerSpec
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> str:
        return self.spec.socket

    async def until(self, wanted: Callable[[RunnerStatus], bool]) -> RunnerStatus:
        """Watch until a status is as wanted; return it."""
        async with asyncio.timeout(PATIENCE):
            await self._listening()
            async with aclosing(runner_client.watch(self.socket)) as reports:
                async for status in reports:
                    if wanted(status):
                        return status
        raise AssertionError("the runner ended before it was as wanted")

    async def ready(self) -> "Box":
        await self.until(lambda status: status.phase is Phase.READY)
        return self

    async def exit_code(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.to_thread(self.process.wait, PATIENCE)

    async def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)

    async def _listening(self) -> None:
        while True:
            try:
                await runner_client.status(self.socket)
            except Unreachable:
                if self.process.poll() is not None:
                    raise
                await asyncio.sleep(0.01)
            else:
                return


def start(folder: Path, *weights: Path, engine: Any, load: LoadSettings, **spec: Any) -> Box:
    files = spec.pop("files", None) or tuple(weight_file(path) for path in weights)
    made = RunnerSpec(
        name="chat",
        uid="uid-1",
        engine=engine,
        model="lmctl/test",
        spec_digest="digest-1",
        weights=files,
        load=load,
        socket=str(folder / "s"),
        **spec,
    )
    path = folder / "spec.json"
    path.write_bytes(msgspec.json.encode(made))
    command = [sys.executable, "-m", "lmctl.runner.main", "--spec", str(path)]
    with (folder / "log").open("wb") as log:
        return Box(folder, made, subprocess.Popen(command, stderr=log))


def chat(text: str, **call: Any) -> Call:
    return Call("call-1", Chat((Message("user", text),)), **call)


@dataclass
class Answer:
    text: str
    deltas: list[str]
    end: Finished
    events: list[Event]


async def answer(box: Box, call: Call) -> Answer:
    async with asyncio.timeout(PATIENCE * 3):
        events = [event async for event in runner_client.ask(box.socket, call)]
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    assert isinstance(events[-1], Finished)
    return Answer("".join(deltas), deltas, events[-1], events)
