"""Processor time per step that is not llama.cpp's: of the engine's thread, the runner's loop, the gateway.

    python tests/bench/overhead_bench.py [--streams 8] [--tokens 300]

The engine's thread is measured with the scheduler in this process: what it uses outside
`llama_decode`, which includes sampling and making text. The runner's event loop and the gateway are
measured while as many streams run through a whole box. Together they are told as a share of the step:
of the time it takes, and of the processor time of all its threads. Takes about a minute.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import llama_cpp as library
import psutil

from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp import engine as llamacpp
from tests.bench import run
from tests.bench.engine_bench import scheduled
from tests.support.box import Box
from tests.support.models import smollm2

TARGET = 0.03


class Decoding:
    """Counts calls of `llama_decode`: how long each took, and this thread's processor time in all."""

    def __init__(self, plain: Callable[..., int]) -> None:
        self._plain = plain
        self.took: list[float] = []
        self.used = 0.0

    def __call__(self, *given: Any) -> int:
        begun, used = time.perf_counter(), time.thread_time()
        code = self._plain(*given)
        self.used += time.thread_time() - used
        self.took.append(time.perf_counter() - begun)
        return code


@contextmanager
def counted() -> Iterator[Decoding]:
    plain = library.llama_decode
    library.llama_decode = Decoding(plain)
    try:
        yield library.llama_decode
    finally:
        library.llama_decode = plain


def of_the_engine(weights: Path, *, streams: int, tokens: int) -> tuple[float, float, float]:
    """Return per step: seconds, processor seconds of all threads, those outside `llama_decode`."""
    settings = LoadSettings(context_length=512, parallel=streams)
    engine = llamacpp.load([weights], settings, progress=lambda _share: True)
    try:
        scheduled(engine, streams=streams, tokens=8)
        with counted() as decoding:
            whole, thread = time.process_time(), time.thread_time()
            scheduled(engine, streams=streams, tokens=tokens)
            outside = time.thread_time() - thread - decoding.used
            steps = len(decoding.took)
            return (
                statistics.median(decoding.took) + outside / steps,
                (time.process_time() - whole) / steps,
                outside / steps,
            )
    finally:
        engine.close()


def of_the_box(box: Box, *, streams: int, tokens: int) -> tuple[float, float]:
    """Return processor seconds per step of the runner's event loop and of the gateway."""
    master = psutil.Process(box.pid("server/gateway"))
    gateway = [master, *master.children(recursive=True)]
    runner = box.pid("instance/chat")

    def loop() -> float:
        first = next(each for each in psutil.Process(runner).threads() if each.id == runner)
        return float(first.user_time + first.system_time)

    before, since = loop(), sum(map(run.busy, gateway))
    asyncio.run(together(box.url, streams, tokens))
    return (loop() - before) / tokens, (sum(map(run.busy, gateway)) - since) / tokens


async def together(url: str, streams: int, tokens: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(streams):
            tasks.create_task(run.arrivals(run.through_http(url, tokens)))


def declare(box: Box, *, weights: Path, streams: int) -> None:
    run.declare_weights(box, weights=weights)
    box.instance("chat", "acme/chat", load=f"{{contextLength: 512, parallel: {streams}}}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=300)
    given = parser.parse_args()
    size = {"streams": given.streams, "tokens": given.tokens}
    weights = smollm2()
    with run.stopping_in_time():
        step, used, engine = of_the_engine(weights, **size)
        with run.box_that(partial(declare, weights=weights, streams=given.streams)) as box:
            loop, gateway = of_the_box(box, **size)
    ours = engine + loop + gateway
    run.say(
        f"{given.streams} streams, per step of {step * 1e3:.1f} ms: engine's thread outside "
        f"llama_decode {engine * 1e3:.2f} ms, runner's loop {loop * 1e3:.2f} ms, "
        f"gateway {gateway * 1e3:.2f} ms of processor time"
    )
    run.say(f"together {ours / step:.1%} of the step, {ours / used:.1%} of its processor time")
    return 0 if ours / step <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
