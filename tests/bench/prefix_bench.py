"""The first token of a prompt whose beginning was read before, against one that is all new.

    python tests/bench/prefix_bench.py MODEL.gguf [--shared 2000] [--own 17] [--repeats 5]

Prints milliseconds to the first token, medians over the repeats, and their ratio to the cold one:
`goes on` is the next turn of a conversation, `copy` another conversation with the same beginning.
"""

import argparse
import statistics
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Finished, Sampling
from lmctl.runner.job import Job
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.loop import Turn
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler

GREEDY = Sampling(temperature=0, repeat_penalty=None, logit_bias=((2, float("-inf")),))
NEVER = float("inf")


class Asker:
    """Asks one prompt at a time."""

    def __init__(self, model: Path, *, context: int) -> None:
        settings = LoadSettings(context_length=context, parallel=4)
        self.engine = llamacpp.load([model], settings, progress=lambda _share: True)
        self._scheduler = Scheduler(self.engine, self._take)
        self._ended: Finished | None = None

    def ask(self, prompt: list[int]) -> tuple[float, int]:
        """Return seconds to the first token, and how many tokens of the prompt were not read."""
        job = Job("ask", prompt, GREEDY, 2, TextAssembler(), NEVER)
        self._scheduler.submit(job)
        self._scheduler.run()
        self._scheduler._stopping = False
        assert self._ended is not None
        return self._ended.time_to_first_token, self._ended.usage.cached_tokens

    def _take(self, turn: Turn) -> None:
        for event in (event for output in turn.outputs for event in output.events):
            if isinstance(event, Finished):
                self._ended = event
                self._scheduler.stop()


def words(numbers: Iterator[int], size: int) -> list[int]:
    """Return tokens that no other prompt has."""
    return [1000 + next(numbers) * 7 % 40_000 for _ in range(size)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--shared", type=int, default=2000)
    parser.add_argument("--own", type=int, default=17)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    asker = Asker(given.model, context=given.shared + 8 * given.own + 64)
    numbers = count()
    times: dict[str, list[float]] = {"cold": [], "goes on": [], "copy": []}
    for _ in range(given.repeats):
        shared = words(numbers, given.shared)
        first = shared + words(numbers, given.own)
        cold, nothing = asker.ask(first)
        copy, copied = asker.ask(shared + words(numbers, given.own))
        on, kept = asker.ask(first + words(numbers, given.own))
        assert nothing == 0
        assert min(copied, kept) >= given.shared
        for name, seconds in zip(times, (cold, on, copy), strict=True):
            times[name].append(seconds)
    cold = statistics.median(times["cold"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:8s} {middle * 1000:8.1f} ms  {middle / cold:.3f}")  # noqa: T201
    asker.engine.close()


if __name__ == "__main__":
    main()
