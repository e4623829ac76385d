"""The path of a token: through the gateway and the runner, and a bare llama_decode loop.

    python tests/bench/engine_path.py [--streams 1 4 8 16] [--tokens 32] [--repeats 3]

Prints tokens per second of both in turns, medians and their ratio; then, while eight streams run,
the processor time the gateway uses, and how long `/livez` takes.
"""

import argparse
import asyncio
import sys
import time
from functools import partial
from pathlib import Path

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp import engine as llamacpp
from tests.bench import run
from tests.bench.engine_bench import bare
from tests.support.box import Box
from tests.support.models import smollm2

BETWEEN_LOOKS = 0.02  # seconds between two questions to /livez
LOOKED = 128  # tokens per stream while that is asked


def declare(box: Box, *, weights: Path, streams: int) -> None:
    run.declare_weights(box, weights=weights)
    load = f"{{contextLength: {run.CONTEXT}, parallel: {streams}}}"
    box.instance("chat", "acme/chat", load=load)


def measure_rates(box: Box, weights: Path, given: argparse.Namespace) -> None:
    run.say("tokens/s: HTTP / bare llama_decode loop")
    settings = LoadSettings(context_length=run.CONTEXT, parallel=max(given.streams))
    engine = llamacpp.load([weights], settings, progress=lambda _share: True)
    through = partial(run.through_http, box.url)
    try:
        run.rate(through, streams=1, tokens=8)
        for streams in given.streams:
            size = {"streams": streams, "tokens": given.tokens}
            loops = {
                "HTTP": partial(run.rate, through, **size),
                "bare": partial(bare, engine, **size),
            }
            run.say_ratio(streams, loops, given.repeats)
    finally:
        engine.close()


async def look(url: str, streams: int) -> tuple[list[float], float]:
    """Return the seconds each look at /livez took while streams ran, and for how long they ran."""
    took: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        begin = time.perf_counter()
        running = [
            tasks.create_task(run.arrivals(run.through_http(url, LOOKED))) for _ in range(streams)
        ]
        async with httpx2.AsyncClient() as other:
            while not any(each.done() for each in running):
                asked = time.perf_counter()
                (await other.get(f"{url}/livez")).raise_for_status()
                took.append(time.perf_counter() - asked)
                await asyncio.sleep(BETWEEN_LOOKS)
    return took, time.perf_counter() - begin


def measure_looks(box: Box, streams: int) -> None:
    master = psutil.Process(box.pid("server/gateway"))
    gateway = [master, *master.children(recursive=True)]
    before = sum(map(run.busy, gateway))
    took, passed = asyncio.run(look(box.url, streams))
    used = (sum(map(run.busy, gateway)) - before) / passed
    run.say(f"while {streams} streams run: gateway {used:.1%} of a core")
    run.say_times("/livez", took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    weights = smollm2()
    with (
        run.stopping_in_time(),
        run.box_that(partial(declare, weights=weights, streams=max(given.streams))) as box,
    ):
        measure_rates(box, weights, given)
        measure_looks(box, min(8, max(given.streams)))


if __name__ == "__main__":
    main()
