"""Speculative decoding against the same engine without it, interleaved in one run.

    python tests/bench/drafting.py MODEL.gguf [--draft SMALL.gguf] [--tokens 160] [--repeats 3] [--threads 1]

Prints tokens per second of one greedy answer without guesses and with each drafter, medians over the
repeats, for a text that repeats what stands before it and for one that does not; how many guesses
were right; whether the answers were the same; and what a neighbour that does not guess loses.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings
from lmctl.base.talk import Drafted, Finished, Sampling
from lmctl.runner.draft_model import DraftModel
from lmctl.runner.drafting import Drafter
from lmctl.runner.guessing import USUAL_MOST, Guessing
from lmctl.runner.job import Job
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.llamacpp.engine import LlamaEngine
from lmctl.runner.prompt_lookup import PromptLookup
from lmctl.runner.scheduler import Scheduler, Turn
from lmctl.runner.text import TextAssembler

CODE = """def area(shape):
    if shape.kind == "circle":
        return 3.14159 * shape.radius ** 2
    if shape.kind == "square":
        return shape.side ** 2
    if shape.kind == "rectangle":
        return shape.width * shape.height
    raise ValueError(f"unknown shape {shape.kind}")


def perimeter(shape):
    if shape.kind == "circle":
        return 2 * 3.14159 * shape.radius
    if shape.kind == "square":
        return 4 * shape.side
    if shape.kind == "rectangle":
        return 2 * (shape.width + shape.height)
    raise ValueError(f"unknown shape {shape.kind}")
"""
TEXTS = {
    "repetitive": f"# shapes.py\n{CODE}\n# shapes.py\n{CODE[:60]}",
    "novel": "The lighthouse keeper had not spoken to anyone for eleven days when",
}
MOST = {PROMPT_LOOKUP: USUAL_MOST}


@dataclass
class Answer:
    """What one answer was: its tokens, tokens per second behind the first, and what was guessed."""

    tokens: list[int]
    rate: float
    drafted: Drafted | None
    waits: list[float]


def ask(
    engine: LlamaEngine, prompts: list[tuple[str, Drafter | None]], tokens: int
) -> list[Answer]:
    """Return the answers to prompts asked together, each with the drafter it is to have."""
    heard: dict[Job, list[float]] = {}
    ended: dict[Job, Finished] = {}

    def take(turn: Turn) -> None:
        now = time.perf_counter()
        for output in turn.outputs:
            heard[output.job].append(now)
            if output.events and isinstance(output.events[-1], Finished):
                ended[output.job] = output.events[-1]
        if all(job.ended for job in heard):
            scheduler.stop()

    drafters = {each.name: each for _, each in prompts if each is not None}
    scheduler = Scheduler(engine, take, drafters=tuple(drafters.values()))
    for prompt, drafter in prompts:
        job = Job(
            "bench",
            engine.tokenize(prompt, add_bos=True, parse_special=True),
            Sampling(temperature=0, repeat_penalty=None),
            tokens,
            TextAssembler(),
            deadline=float("inf"),
            guessing=None if drafter is None else _guessing(drafter),
        )
        heard[job] = []
        scheduler.submit(job)
    scheduler.run()
    for sequence in scheduler._cache.resting:
        engine.forget(sequence)
    return [_answer(job, ended[job], heard[job]) for job in heard]


def _guessing(drafter: Drafter) -> Guessing:
    return Guessing(drafter.name, most=MOST.get(drafter.name, 8), least_probability=0.5)


def _answer(job: Job, ended: Finished, heard: list[float]) -> Answer:
    rate = (job.produced - 1) / ended.generation_time
    waits = [after - before for before, after in pairwise(heard)]
    return Answer(job.tokens[len(job.prompt) :], rate, ended.drafted, waits)


def alone(engine: LlamaEngine, drafters: list[Drafter], *, tokens: int, repeats: int) -> None:
    """Print how fast one answer is, without guesses and with them."""
    for name, text in TEXTS.items():
        runs = [
            [ask(engine, [(text, drafter)], tokens)[0] for drafter in (None, *drafters)]
            for _ in range(repeats)
        ]
        plain, *guessed = zip(*runs, strict=True)
        usual = statistics.median(each.rate for each in plain)
        print(f"{name:10} without       {usual:6.1f} tokens/s")  # noqa: T201
        for drafter, answers in zip(drafters, guessed, strict=True):
            rate = statistics.median(each.rate for each in answers)
            same = all(each.tokens == plain[0].tokens for each in answers)
            told = answers[-1].drafted
            assert told is not None
            print(  # noqa: T201
                f"{name:10} {drafter.name:13} {rate:6.1f} tokens/s  {rate / usual:.2f}  "
                f"{told.accepted} of {told.total} right  {'same' if same else 'OTHER'} tokens"
            )


def beside(engine: LlamaEngine, drafters: list[Drafter], *, tokens: int, repeats: int) -> None:
    """Print what an answer that does not guess loses beside one that does."""
    texts = TEXTS["novel"], TEXTS["repetitive"]
    for drafter in drafters:
        pairs = []
        for _ in range(repeats):
            rates = [
                ask(engine, [(texts[0], None), (texts[1], other)], tokens)
                for other in (None, drafter)
            ]
            pairs.append([[statistics.mean(each.waits) for each in run] for run in rates])
        slower = statistics.median(with_[0] / without[0] for without, with_ in pairs)
        print(f"neighbour of {drafter.name}: waits {slower:.2f} times as long")  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--draft", type=Path)
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    settings = LoadSettings(
        context_length=1024, parallel=2, threads=given.threads, drafter=PROMPT_LOOKUP
    )
    engine = llamacpp.load([given.model], settings, progress=lambda _share: True)
    drafters: list[Drafter] = [PromptLookup()]
    if given.draft is not None:
        drafters.append(_draft_model(given.draft, engine, settings))
    alone(engine, drafters, tokens=given.tokens, repeats=given.repeats)
    beside(engine, drafters, tokens=given.tokens, repeats=given.repeats)
    for each in drafters:
        each.close()
    engine.close()


def _draft_model(path: Path, engine: LlamaEngine, settings: LoadSettings) -> Drafter:
    names = ("the model", path.name)
    small = llamacpp.load_draft([path], settings, engine, names=names, progress=lambda _share: True)
    return DraftModel("draft model", small, vocabulary=engine.facts.vocabulary)


if __name__ == "__main__":
    main()
