"""A real box for tests: the installed `lmctl` with a home and a fleet of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from lmctl.adapters.home import Home
from lmctl.cli.client import DaemonClient
from lmctl.planning.report import BoxStatus

PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Box:
    """`lmctl` in a folder of its own; `close` ends everything it started."""

    root: Path
    port: int = field(default_factory=free_port)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet = self.root / "fleet"
        self.fleet.mkdir(parents=True)
        self.home = Home(self.root / "home")
        self.client = DaemonClient(self.home)
        self.write("server.yaml", f"listen: {{host: 127.0.0.1, port: {self.port}}}\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, name: str, text: str) -> Path:
        """Write a manifest the way editors do: aside, then in place."""
        path = self.fleet / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.swp")
        temporary.write_text(textwrap.dedent(text))
        temporary.replace(path)
        return path

    def echo(
        self, name: str = "chat", *, load: str = "{}", script: str = "{}", **spec: str
    ) -> None:
        """Declare an instance of the echo engine with a script of its own."""
        self.write(f"scripts/{name}.json", script)
        self.write(
            f"models/{name}/model.yaml",
            f"""\
            model: acme/{name}
            base:
              - key: acme/{name}-script
                sources:
                  - {{type: file, path: ../../scripts/{name}.json}}
            """,
        )
        self.instance(name, f"acme/{name}", runtime="echo", load=load, **spec)

    def smollm2(self, weights: Path) -> None:
        """Declare real weights from a file as the model `acme/smollm2`."""
        self.write(
            "models/smollm2/model.yaml",
            f"""\
            model: acme/smollm2
            base:
              - key: acme/smollm2-gguf
                sources:
                  - {{type: file, path: "{weights}"}}
            """,
        )

    def instance(self, name: str, model: str, **spec: str) -> None:
        more = "".join(f", {key}: {value}" for key, value in spec.items())
        self.write(
            f"instances/{name}.yaml",
            f"""\
            apiVersion: lmctl/v1alpha1
            kind: Instance
            metadata: {{name: {name}}}
            spec: {{model: {model}, identifier: {name}{more}}}
            """,
        )

    def lmctl(self, *words: str, timeout: float = PATIENCE, **env: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "lmctl", *words],
            env={
                **os.environ,
                "LMCTL_HOME": str(self.home.root),
                "NO_COLOR": "1",
                **self.env,
                **env,
            },
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def apply(self, *words: str) -> Ran:
        ran = self.lmctl("apply", "--yes", *words, str(self.fleet))
        assert ran.code == 0, ran.err + self.logs()
        return ran

    def status(self) -> BoxStatus:
        return self.client.status()

    def until(self, holds: Callable[[BoxStatus], bool]) -> BoxStatus:
        """Follow the box until something holds."""
        deadline = time.monotonic() + PATIENCE
        with contextlib.closing(self.client.watch()) as statuses:
            for status in statuses:
                if holds(status):
                    return status
                assert time.monotonic() < deadline, f"{status}\n{self.logs()}"
        raise AssertionError("the daemon ended")

    def until_ready(self, generation: int = 0) -> BoxStatus:
        return self.until(lambda s: s.ready and s.generation >= generation)

    def pid(self, key: str) -> int:
        facts = {each.key: each.facts for each in self.status().objects}
        return int(str(facts[key]["pid"]))

    def daemon_pid(self) -> int:
        daemon = self.status().daemon
        assert daemon is not None
        return daemon.pid

    def kill(self, pid: int) -> None:
        """SIGKILL, and wait until it is gone."""
        process = psutil.Process(pid)
        process.send_signal(signal.SIGKILL)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait(10)

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.home.logs.glob("*.log")
        )

    def close(self) -> None:
        """End everything at once, by pid."""
        self.client.close()
        if self.home.sockets != self.home.run:
            shutil.rmtree(self.home.sockets, ignore_errors=True)
        for process in self.left_over():
            process.kill()

    def left_over(self) -> list[psutil.Process]:
        """Return processes of this box that still run."""
        found = []
        for process in psutil.process_iter(["environ", "pid"]):
            environ = process.info["environ"] or {}
            if environ.get("LMCTL_HOME") == str(self.home.root) and process.pid != os.getpid():
                found.append(process)
        return found


@contextlib.contextmanager
def box_in(root: Path) -> Iterator[Box]:
    """A box that is taken down however the test ends."""
    box = Box(root)
    try:
        yield box
    finally:
        box.close()


async def in_thread(call: Callable[[], Any]) -> Any:
    """Run something that blocks beside the test's own streams."""
    return await asyncio.to_thread(call)
