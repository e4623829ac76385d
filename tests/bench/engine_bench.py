"""The scheduler against a bare decode loop of the same shape, interleaved in one run.

    python tests/bench/engine_bench.py MODEL.gguf [--streams 1 4 8] [--tokens 48] [--repeats 3]

Prints total tokens per second of both, medians over the repeats, and their ratio. Both decode
greedily from prompts of the same length; prompts are read before the clock starts.
"""

import argparse
import statistics
import time
from itertools import pairwise
from pathlib import Path

import llama_cpp as library
import numpy as np

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.job import Job
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.llamacpp.batch import Batch
from lmctl.runner.llamacpp.engine import LlamaEngine
from lmctl.runner.loop import Turn
from lmctl.runner.port import Feed
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler

GREEDY = Sampling(temperature=0, repeat_penalty=None, logit_bias=((2, float("-inf")),))
PROMPT = list(range(1000, 1050))


def bare(engine: LlamaEngine, *, streams: int, tokens: int) -> float:
    """Return tokens per second of `llama_decode` and an argmax, with nothing around them."""
    context, batch = engine._context, Batch(engine.facts.step_tokens)
    for sequence in range(streams):
        batch.fill([Feed(sequence, PROMPT, wants=1)], [0])
        library.llama_decode(context, batch.native)
    sampled = [1000] * streams
    ends = [time.perf_counter()]
    for position in range(len(PROMPT), len(PROMPT) + tokens):
        feeds = [Feed(n, [token], wants=1) for n, token in enumerate(sampled)]
        batch.fill(feeds, [position] * streams)
        library.llama_decode(context, batch.native)
        for row in range(streams):
            pointer = library.llama_get_logits_ith(context, row)
            logits = np.ctypeslib.as_array(pointer, (engine.facts.vocabulary,))
            sampled[row] = int(logits.argmax())
        ends.append(time.perf_counter())
    library.llama_memory_clear(library.llama_get_memory(context), True)
    return streams / median_step(ends)


def scheduled(engine: LlamaEngine, *, streams: int, tokens: int) -> float:
    """Return tokens per second of the scheduler while every stream decodes."""
    ends: list[float] = []
    open_jobs = streams

    def take(turn: Turn) -> None:
        nonlocal open_jobs
        if turn.tokens == streams:
            ends.append(time.perf_counter())
        open_jobs -= sum(each.ended for each in turn.outputs)
        if not open_jobs:
            scheduler.stop()

    scheduler = Scheduler(engine, take)
    for number in range(streams):
        text = TextAssembler(["never to be found"])
        never = float("inf")
        scheduler.submit(Job(str(number), PROMPT, GREEDY, tokens, text, deadline=never))
    scheduler.run()
    while scheduler._cache.evict():  # what rests is in the way of whoever comes next
        pass
    return streams / median_step(ends)


def median_step(ends: list[float]) -> float:
    """Return seconds: the median holds when others use the machine for a part of the time."""
    return statistics.median(after - before for before, after in pairwise(ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    settings = LoadSettings(context_length=512, parallel=max(given.streams))
    engine = llamacpp.load([given.model], settings, progress=lambda _share: True)
    for streams in given.streams:
        pairs = [
            (
                bare(engine, streams=streams, tokens=given.tokens),
                scheduled(engine, streams=streams, tokens=given.tokens),
            )
            for _ in range(given.repeats)
        ]
        raw, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(  # noqa: T201
            f"{streams:3d} streams: bare {raw:6.1f}  scheduler {ours:6.1f}  {ours / raw:.2f}"
        )
    engine.close()


if __name__ == "__main__":
    main()
