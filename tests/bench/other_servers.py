"""Other servers of the same GGUF, each a process of its own on a port of its own, set up like ours.

llama.cpp's native server is built from the sdist that our engine is built from (`llama-server.sh`);
`xllamacpp` is the same server as a ready wheel; `llama_cpp.server` comes with llama-cpp-python. What is
needed is put into a folder of the user's cache on first use.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.support.box import free_port

HERE = Path(__file__).parent
PATIENCE = 120.0
PACKAGES = (
    "xllamacpp==2026.10.11549",
    "fastapi==0.165.0",
    "starlette==1.10.0",
    "sse-starlette==3.7.0",
    "starlette-context==0.5.1",
    "pydantic-settings==2.16.3",
    "uvicorn==0.54.0",
    "numpy==2.4.6",
    "diskcache==5.6.3",
    "Jinja2==3.1.6",
    "PyYAML==6.0.3",
)
XLLAMACPP = """
import sys, threading
import xllamacpp as library
path, port, threads, sequences, context = sys.argv[1], *map(int, sys.argv[2:])
params = library.CommonParams()
params.model.path, params.port, params.n_parallel, params.n_ctx = path, port, sequences, context
params.n_batch = params.n_ubatch = 512
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
params.kv_unified, params.verbosity = False, 1
params.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
server = library.Server(params)
threading.Event().wait()
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all servers are set up with; `context` is tokens of one sequence."""

    weights: Path
    threads: int
    sequences: int
    context: int


Command = Callable[[Shape, int], list[str]]


def native(shape: Shape, port: int) -> list[str]:
    built = subprocess.run(
        [HERE / "llama-server.sh", sys.executable], capture_output=True, text=True, check=True
    ).stdout.strip()
    words = (
        f"-t {shape.threads} -tb {shape.threads} -np {shape.sequences} -b 512 -ub 512 -fa on -lv 1"
    )
    whole = str(shape.context * shape.sequences)
    more = ["-c", whole, "--no-kv-unified", "--host", "127.0.0.1", "--port", str(port)]
    return [built, "-m", str(shape.weights), *words.split(), *more]


def xllamacpp(shape: Shape, port: int) -> list[str]:
    numbers = (port, shape.threads, shape.sequences, shape.context * shape.sequences)
    return [str(_python()), "-c", XLLAMACPP, str(shape.weights), *map(str, numbers)]


def llama_cpp_server(shape: Shape, port: int) -> list[str]:
    """One request at a time; by default a new one would even end the one before it."""
    words = (
        f"--n_ctx {shape.context} --n_threads {shape.threads} --n_threads_batch {shape.threads} "
        f"--n_batch 512 --flash_attn true --interrupt_requests false --verbose false --port {port}"
    )
    return [str(_python()), "-m", "llama_cpp.server", "--model", str(shape.weights), *words.split()]


SERVERS: dict[str, Command] = {
    "native": native,
    "xllamacpp": xllamacpp,
    "llama_cpp.server": llama_cpp_server,
}


def _python() -> Path:
    """Return the interpreter of the folder with what others need."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "lmctl" / "other-servers"
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists() or done.read_text() != repr(PACKAGES):
        wheel = subprocess.run(
            [HERE.parents[1] / "config" / "build" / "llama-cpp-wheel.sh", sys.executable],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", wheel], check=True)
        done.write_text(repr(PACKAGES))
    return python


@contextmanager
def serving(names: list[str], shape: Shape, logs: Path) -> Iterator[dict[str, str]]:
    """Give the address of each server, once it answers; they end with the block."""
    with ExitStack() as stack:
        begun: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}
        for name in names:
            port = free_port()
            log = stack.enter_context((logs / f"{name}.log").open("wb"))
            process = subprocess.Popen(SERVERS[name](shape, port), stdout=log, stderr=log)
            stack.callback(_end, process)
            begun[name] = f"http://127.0.0.1:{port}", process
        for name, (url, process) in begun.items():
            _answering(name, url, process, logs / f"{name}.log")
        yield {name: url for name, (url, _) in begun.items()}


def _answering(name: str, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once a server answers. Raises SystemExit with the end of its log when it does not."""
    deadline = time.monotonic() + PATIENCE
    body = {"model": "chat", "prompt": "hello", "max_tokens": 2}
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.post(f"{url}/v1/completions", json=body, timeout=60).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"{name} does not answer:\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
