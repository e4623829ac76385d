"""What `make bench` runs: ratios and figures of this machine, each measured within one run.

    python tests/bench/run.py [--quick]

    (a) engine    tokens per second: the scheduler, and a bare llama_decode loop
    (b) gateway   tokens per second: through HTTP, and through the runner's socket
    (c) files     reading, checking and planning models / the YAML parser alone on the same bytes
    (d) edits     time from saving a file to a new generation, and to everything Ready, 200 models
    (e) idle      memory and processor time of the daemon and the gateway, 200 models
    (f) commands  time of a few commands

Everything is made in a folder of its own, by processes of its own; both are gone at the end,
however it ends. It stops by itself in less than eight minutes. The first run ever also fetches
the weights.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from lmctl.adapters import runner_client
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Prompt, Sampling, TextDelta
from lmctl.planning.report import BoxStatus
from lmctl.planning.surface import Surface
from lmctl.runner.llamacpp import engine as llamacpp
from tests.bench import plan_bench
from tests.bench.engine_bench import bare, scheduled
from tests.support.box import Box
from tests.support.models import smollm2

DEADLINE = 480  # seconds
EDITING = 120.0  # seconds all edits together may take
ROUNDS = 20.0  # seconds after which a ratio is measured no more often
ROUND = 20.0  # seconds all answers of one round may take
LOOK = 0.01  # seconds between two looks at the daemon's status
MIB = 1024 * 1024

STREAMS = (1, 4, 8)
CONTEXT = 512
SPAN = 4  # tokens: some come in one packet, and the median holds when others use the machine
STORY = "Once upon a time an old man lived in a small village by the sea. " * 3
ENDS = ((0, -100.0), (2, -100.0))  # the tokens an answer could end with, and their bias

Answer = Callable[[int], AsyncGenerator[None, None]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; `idle` is in seconds."""

    repeats: int
    tokens: int
    edits: int
    idle: int
    commands: int
    models: tuple[int, ...]


FULL = Size(repeats=4, tokens=32, edits=200, idle=60, commands=5, models=(100, 1_000, 10_000))
QUICK = Size(repeats=1, tokens=16, edits=5, idle=3, commands=2, models=(100,))
MANY = 200  # models declared while edits and idling are measured


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats, less exact")
    size = QUICK if parser.parse_args().quick else FULL
    begin = time.monotonic()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    say(f"{cores} cores, {platform.machine()}, Python {platform.python_version()}, load {load:.1f}")
    with stopping_in_time():
        weights = smollm2()
        measure_engine(weights, size)
        with box_that(partial(declare_weights, weights=weights)) as box:
            measure_gateway(box, size)
        measure_files(size)
        with box_that(declare_echo) as box:
            measure_edits(box, size)
            measure_idle(box, size)
            measure_commands(box, size)
    say(f"done in {time.monotonic() - begin:.0f} s")


def measure_engine(weights: Path, size: Size) -> None:
    say("(a) engine, tokens/s: scheduler / bare llama_decode loop")
    settings = LoadSettings(context_length=CONTEXT, parallel=max(STREAMS))
    engine = llamacpp.load([weights], settings, progress=lambda _share: True)
    try:
        for streams in STREAMS:
            loops = {
                name: partial(loop, engine, streams=streams, tokens=size.tokens)
                for name, loop in (("scheduler", scheduled), ("bare", bare))
            }
            say_ratio(streams, loops, size.repeats)
    finally:
        engine.close()


def measure_gateway(box: Box, size: Size) -> None:
    say("(b) gateway, tokens/s: HTTP / the runner's socket")
    surface = msgspec.json.decode((box.home.run / "surface.json").read_bytes(), type=Surface)
    answers = {
        "HTTP": partial(through_http, box.url),
        "socket": partial(through_socket, surface.routes[0].socket),
    }
    for answer in answers.values():
        with contextlib.suppress(TimeoutError):
            rate(answer, streams=1, tokens=2 * SPAN)  # whatever is done once only
    for streams in STREAMS:
        loops = {
            name: partial(rate, answer, streams=streams, tokens=size.tokens)
            for name, answer in answers.items()
        }
        say_ratio(streams, loops, size.repeats)


def measure_files(size: Size) -> None:
    say("(c) files to a plan, ms per model: (read + plan) / YAML parser alone")
    for each in plan_bench.measured(size.models):
        say(str(each))


def measure_edits(box: Box, size: Size) -> None:
    say("(d) an edit of an operation default, from saving the file")
    shown: list[float] = []
    settled: list[float] = []
    deadline = time.perf_counter() + EDITING
    with contextlib.suppress(TimeoutError):
        for number in range(1, size.edits + 1):
            wanted = box.status().generation + 1
            box.instance("chat", "acme/chat", runtime="echo", operation=f"{{maxTokens: {number}}}")
            saved = time.perf_counter()
            shown.append(until(box, deadline, lambda now, n=wanted: now.generation >= n) - saved)
            settled.append(until(box, deadline, lambda now: now.ready) - saved)
    say_times("new generation", shown)
    say_times("everything Ready", settled)
    if len(settled) < size.edits:
        say(f"    only {len(settled)} of {size.edits} edits were done in {EDITING:.0f} s")
        box.apply()  # what backs off is tried at once


def measure_idle(box: Box, size: Size) -> None:
    say(f"(e) idle: memory, and processor time over {size.idle} s")
    daemon = psutil.Process(box.daemon_pid())
    master = psutil.Process(box.pid("server/gateway"))
    worker, *more = master.children(recursive=True)
    found = {"daemon": daemon, "gateway master": master, "gateway worker": worker}
    found |= {f"gateway worker {n}": each for n, each in enumerate(more, 2)}
    before = {name: busy(each) for name, each in found.items()}
    begin = time.perf_counter()
    time.sleep(size.idle)
    passed = time.perf_counter() - begin
    for name, each in found.items():
        share = (busy(each) - before[name]) / passed
        memory = each.memory_full_info()
        pss = f"{memory.pss / MIB:6.1f}" if hasattr(memory, "pss") else "   n/a"
        say(
            f"    {name:<16} RSS {memory.rss / MIB:6.1f} MiB  PSS {pss} MiB  {share:6.2%} of a core"
        )


def measure_commands(box: Box, size: Size) -> None:
    say("(f) commands")
    for words in (["--help"], ["status"], ["diff", str(box.fleet)]):
        times = []
        for _ in range(size.commands):
            begin = time.perf_counter()
            ran = box.lmctl(*words)
            times.append(time.perf_counter() - begin)
            if ran.code != 0:
                raise SystemExit(f"`lmctl {words[0]}` ended with {ran.code}: {ran.err}")
        say_times(f"lmctl {words[0]}", times)


def declare_weights(box: Box, *, weights: Path) -> None:
    box.write(
        "models/chat/model.yaml",
        f"""\
        model: acme/chat
        base:
          - key: acme/chat-gguf
            sources:
              - {{type: file, path: "{weights}"}}
        """,
    )
    load = f"{{contextLength: {CONTEXT}, parallel: {max(STREAMS)}}}"
    box.instance("chat", "acme/chat", load=load)


def declare_echo(box: Box) -> None:
    box.echo()
    for number in range(1, MANY):
        box.write(
            f"models/other-{number}/model.yaml",
            f"""\
            model: acme/other-{number}
            base:
              - key: acme/other-{number}-script
                sources:
                  - {{type: file, path: ../../scripts/chat.json}}
            """,
        )


def rate(answer: Answer, *, streams: int, tokens: int) -> float:
    """Return tokens per second of all streams, while every one of them decodes."""
    return asyncio.run(_rate(answer, streams=streams, tokens=tokens))


async def _rate(answer: Answer, *, streams: int, tokens: int) -> float:
    async with (
        asyncio.timeout(ROUND),
        asyncio.TaskGroup() as tasks,
    ):
        found = [tasks.create_task(arrivals(answer(tokens))) for _ in range(streams)]
    times = [each.result() for each in found]
    begin, end = max(each[0] for each in times), min(each[-1] for each in times)
    spans = [
        (after - before) / SPAN
        for each in times
        for before, after in zip(each, each[SPAN:], strict=False)
        if begin <= before and after <= end
    ]
    return streams / statistics.median(spans)


async def arrivals(pieces: AsyncGenerator[None, None]) -> list[float]:
    async with aclosing(pieces):
        return [time.perf_counter() async for _ in pieces]


async def through_socket(socket: str, tokens: int) -> AsyncGenerator[None, None]:
    """Yield for every piece of text of an answer."""
    sampling = Sampling(temperature=0, repeat_penalty=1.0, logit_bias=ENDS)
    call = Call("bench", Prompt(STORY), sampling, max_tokens=tokens)
    async with aclosing(runner_client.ask(socket, call)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                yield


async def through_http(url: str, tokens: int) -> AsyncGenerator[None, None]:
    """Yield for every piece of text of an answer, read from a plain socket: a client of a library
    takes more processor time over a token (140 µs) than gateway and runner together.
    """
    body = {
        "model": "chat",
        "prompt": STORY,
        "temperature": 0,
        "repeat_penalty": 1.0,
        "logit_bias": {str(token): bias for token, bias in ENDS},
        "max_tokens": tokens,
        "stream": True,
    }
    content = json.dumps(body).encode()
    host, _, port = url.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    with contextlib.closing(writer):
        writer.write(head.encode() + content)
        status = await reader.readline()
        if b" 200 " not in status:
            raise SystemExit(f"{status!r}: {await reader.read()!r}")
        async for line in reader:
            if b'"finish_reason":null' in line:
                yield


def until(box: Box, deadline: float, holds: Callable[[BoxStatus], bool]) -> float:
    """Return the moment the daemon's status first shows something. Raises TimeoutError."""
    while not holds(box.status()):
        if time.perf_counter() > deadline:
            raise TimeoutError
        time.sleep(LOOK)
    return time.perf_counter()


def busy(process: psutil.Process) -> float:
    """Return the seconds of processor time a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def say_ratio(streams: int, loops: dict[str, Callable[[], float]], repeats: int) -> None:
    """Measure two loops in turns, so that a busy minute hits both, and say their medians."""
    rounds: list[list[float]] = []
    begin = time.perf_counter()
    with contextlib.suppress(TimeoutError):
        while len(rounds) < repeats and (not rounds or time.perf_counter() - begin < ROUNDS):
            rounds.append([each() for each in loops.values()])
    if not rounds:
        say(f"    {streams} streams: not measured, the machine is too busy")
        return
    ours, other = rates = [statistics.median(column) for column in zip(*rounds, strict=True)]
    told = "  ".join(f"{name} {each:6.1f}" for name, each in zip(loops, rates, strict=True))
    fewer = f"  ({len(rounds)} of {repeats} rounds)" if len(rounds) < repeats else ""
    say(f"    {streams} streams: {told}  ratio {ours / other:.2f}{fewer}")


def say_times(name: str, seconds: Sequence[float]) -> None:
    if not seconds:
        say(f"    {name:<16} never")
        return
    middle, worst = statistics.median(seconds), max(seconds)
    rare = sorted(seconds)[int(len(seconds) * 0.99) - 1] if len(seconds) >= 100 else worst
    say(
        f"    {name:<16} median {middle * 1e3:7.1f} ms  p99 {rare * 1e3:7.1f} ms"
        f"  worst {worst * 1e3:7.1f} ms  ({len(seconds)})"
    )


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


@contextmanager
def stopping_in_time(seconds: int = DEADLINE) -> Iterator[None]:
    """Leave in good order at the deadline and when told to end; only the first word counts."""
    reasons = {
        signal.SIGALRM: f"stopped: not done within {seconds} s",
        signal.SIGINT: "interrupted",
        signal.SIGTERM: "terminated",
        signal.SIGHUP: "hung up",
    }

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in reasons:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(reasons[signal.Signals(number)])

    for each in reasons:
        signal.signal(each, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@contextmanager
def box_that(declare: Callable[[Box], None]) -> Iterator[Box]:
    """Give a box that serves what is declared; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="lmctl-bench-", ignore_cleanup_errors=True) as folder:
        box = Box(Path(folder))
        try:
            declare(box)
            box.apply()
            yield box
        finally:
            take_down(box)


def take_down(box: Box) -> None:
    """End every process of the box, those too that a dying daemon just started."""
    box.client.close()
    for _ in range(5):
        left = box.left_over()
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(left, timeout=2)
    shutil.rmtree(box.home.sockets, ignore_errors=True)


if __name__ == "__main__":
    main()
