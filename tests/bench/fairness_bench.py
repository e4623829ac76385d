"""What those who decode notice of a long prompt that is read beside them.

    python tests/bench/fairness_bench.py MODEL.gguf [--streams 4] [--prompt 4000] [--fixed 128]

Prints milliseconds between two tokens of the running streams: median and 99th percentile with nobody
reading; the same while the prompt is read, as ratios to the median alone, and of the 99th also to
the 99th alone; then the seconds until the prompt's first token, and tokens per second of everyone
together meanwhile, read or decoded. `--fixed` compares with so many tokens of the prompt in every step. `--processor-time` counts
this process's own, for a machine that others use too; it means something with `--threads 1` only.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling, Started
from lmctl.runner.job import Job
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.llamacpp.engine import LlamaEngine
from lmctl.runner.pace import Pace
from lmctl.runner.scheduler import Scheduler, Turn
from lmctl.runner.text import TextAssembler

GREEDY = Sampling(temperature=0, repeat_penalty=None, logit_bias=((2, float("-inf")),))
NEVER = float("inf")
ALONE = 200


class Fixed(Pace):
    """Learns nothing."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self._tokens = tokens

    def beside(self, *, decoding: int, left: Sequence[int]) -> int:  # noqa: ARG002
        return self._tokens


class Watch:
    """Runs streams, lets the prompt in after a while, and notes when tokens came."""

    def __init__(self, engine: LlamaEngine, given: argparse.Namespace, number: int) -> None:
        self._clock = time.process_time if given.processor_time else time.perf_counter
        self._scheduler = Scheduler(engine, self._take, clock=self._clock)
        self._streams = given.streams
        self._long = _job([9000 + n * (7 + number) % 30_000 for n in range(given.prompt)], 1)
        self._running = [
            _job([1000 + 50 * n + number * 7 + k for k in range(50)], 100_000)
            for n in range(given.streams)
        ]
        self.alone: list[float] = []
        self.beside: list[float] = []

    def run(self, pace: Pace | None) -> None:
        if pace is not None:
            self._scheduler._pace = pace
        for job in self._running:
            self._scheduler.submit(job)
        self._scheduler.run()
        for job in self._running:
            self._scheduler._engine.forget(job.sequence)
        while self._scheduler._cache.evict():
            pass

    def _take(self, turn: Turn) -> None:
        now = self._clock()
        if any(
            isinstance(e, Started) for o in turn.outputs for e in o.events if o.job is self._long
        ):
            self.beside.append(now)
            self._scheduler.stop()
        elif self.beside:
            self.beside.append(now)
        elif turn.tokens == self._streams:
            self.alone.append(now)
            if len(self.alone) == ALONE:
                self.beside.append(now)
                self._scheduler.submit(self._long)


def _job(prompt: list[int], tokens: int) -> Job:
    return Job("bench", prompt, GREEDY, tokens, TextAssembler(), NEVER)


def report(name: str, watch: Watch, given: argparse.Namespace) -> None:
    """Print one run."""
    alone = [after - before for before, after in pairwise(watch.alone)]
    beside = [after - before for before, after in pairwise(watch.beside)]
    usual, middle = statistics.median(alone), statistics.median(beside)
    worst, rare = (statistics.quantiles(each, n=100)[98] for each in (beside, alone))
    seconds = watch.beside[-1] - watch.beside[0]
    together = (given.prompt + len(beside) * given.streams) / seconds
    print(  # noqa: T201
        f"{name:9s} alone {usual * 1e3:5.1f} ms, p99 {rare * 1e3:5.1f}  beside {middle * 1e3:6.1f}"
        f" ({middle / usual:4.1f})  p99 {worst * 1e3:6.1f} ({worst / usual:4.1f}, {worst / rare:4.1f})  {seconds:5.1f} s  {together:5.0f} tokens/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--prompt", type=int, default=4000)
    parser.add_argument("--fixed", type=int, nargs="*", default=[128])
    parser.add_argument("--threads", type=int, help="all cores where not given")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    settings = LoadSettings(
        context_length=given.prompt + 64, parallel=given.streams + 1, threads=given.threads
    )
    engine = llamacpp.load([given.model], settings, progress=lambda _share: True)
    for number in range(given.repeats):
        for fixed in [None, *given.fixed]:
            watch = Watch(engine, given, number)
            watch.run(None if fixed is None else Fixed(fixed))
            report("learned" if fixed is None else f"fixed {fixed}", watch, given)
    engine.close()


if __name__ == "__main__":
    main()
