"""Two models that answer at once: sharing the cores, and each with a thread per core.

    python tests/bench/engine_threads.py [MODEL.gguf] [--streams 4] [--tokens 48] [--repeats 3]

Prints total tokens per second of both ways in turns, their medians and their ratio, and twice what
one model makes with one thread and the machine to itself: two cores cannot make more. Every engine
has a process of its own; the first way has a runner's environment, the other what llama.cpp and its
OpenMP do by themselves.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lmctl.actuators.starting import spin
from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp import engine as llamacpp
from tests.bench.engine_bench import scheduled
from tests.support.models import smollm2

SPIN = "GOMP_SPINCOUNT"
LATEST = 60.0  # seconds one round may take


@dataclass(frozen=True, slots=True)
class Way:
    """How engines run: where they meet to share cores, None for nowhere, and with how many threads
    at most, None for one per core.
    """

    meeting: Path | None = None
    engines: int = 2
    threads: int | None = None


def serve(model: Path, way: Way, streams: int, tokens: int, line: Connection) -> None:
    """Say when loaded, answer once told to, and say how many tokens per second that were."""
    settings = LoadSettings(context_length=512, parallel=streams, threads=way.threads)
    meeting = way.meeting
    engine = llamacpp.load([model], settings, progress=lambda _share: True, meeting=meeting)
    line.send(None)
    line.recv()
    line.send(scheduled(engine, streams=streams, tokens=tokens))
    engine.close()


def together(model: Path, way: Way, *, streams: int, tokens: int) -> float:
    """Return the tokens per second of engines that begin at the same moment."""
    context = multiprocessing.get_context("spawn")
    lines, processes = [], []
    if way.meeting is None:
        os.environ.pop(SPIN, None)
    else:
        os.environ[SPIN] = spin()
    for _ in range(way.engines):
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(model, way, streams, tokens, there))
        process.start()
        lines.append(here)
        processes.append(process)
    try:
        for line in lines:
            heard(line)
        for line in lines:
            line.send(None)
        return sum(heard(line) or 0.0 for line in lines)
    finally:
        for process in processes:
            process.join(5)
            process.kill()


def heard(line: Connection) -> float | None:
    if not line.poll(LATEST):
        raise SystemExit(f"an engine said nothing within {LATEST:g} s")
    said: float | None = line.recv()
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    model = given.model or smollm2()
    size = {"streams": given.streams, "tokens": given.tokens}
    with tempfile.TemporaryDirectory() as folder:
        ways = (Way(Path(folder)), Way(), Way(Path(folder), engines=1, threads=1))
        rounds = [[together(model, each, **size) for each in ways] for _ in range(given.repeats)]
    shared, apart, one = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(  # noqa: T201
        f"two models at once, tokens/s: shared cores {shared:.1f}  "
        f"a thread per core each {apart:.1f}  ratio {shared / apart:.2f}; "
        f"twice one with one thread {2 * one:.1f}, of which shared cores make {shared / one / 2:.2f}"
    )


if __name__ == "__main__":
    main()
