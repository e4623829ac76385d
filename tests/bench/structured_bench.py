"""Time per token of an answer held to a JSON Schema, and of a free one.

    python tests/bench/structured_bench.py [--tokens 200] [--repeats 5] [--streams 1 4] [--threads 1]

Both run on one engine in turns, the same number of tokens from the same prompt; the first stream of
several is the one that is held. Prints medians and 99th percentiles of the time between tokens,
their ratios, the same of the processor time of the whole process (which a busy machine does not
stretch; with one thread the engine does not spin either), and the time to prepare a schema that is new and one that is known. The vocabularies
are those of SmolLM2 (49k tokens) and Qwen2.5 Coder (152k). The first run ever fetches the weights.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import JsonDocument, Sampling
from lmctl.runner.constraining import Constraining
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.port import Bell, Feed
from tests.support.models import qwen_coder, smollm2

ITEM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 3, "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "joined": {"type": "string", "format": "date"},
        "mail": {"type": "string", "format": "email", "maxLength": 40},
        "score": {"type": "number", "minimum": 0, "maximum": 10},
        "role": {"enum": ["admin", "editor", "reader", None]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 3},
    },
    "required": ["name", "age", "joined", "mail", "score", "role", "tags"],
    "additionalProperties": False,
}
LONG = {"type": "array", "items": ITEM, "minItems": 50}
PROMPT = "A list of people as JSON, with name, age, joined, mail, score, role and tags:\n"


Times = tuple[float, float]


def round_of(engine: Any, matcher: Any, *, streams: int, tokens: int, seed: int) -> list[Times]:
    """Return the seconds and processor seconds of each step of so many streams; the first is held,
    if there is a matcher.
    """
    prompt = engine.tokenize(PROMPT, add_bos=False, parse_special=False)
    for stream in range(streams):
        sampling = Sampling(temperature=0.8, seed=seed + stream)
        engine.begin(stream, sampling, prompt, matcher=matcher if stream == 0 else None)
    feeds = [Feed(stream, prompt, 1) for stream in range(streams)]
    times = []
    for _ in range(tokens):
        begun, worked = time.perf_counter(), time.process_time()
        found = engine.step(feeds, Bell())
        times.append((time.perf_counter() - begun, time.process_time() - worked))
        feeds = [Feed(stream, [each[0].token], 1) for stream, each in enumerate(found)]
    for stream in range(streams):
        engine.forget(stream)
    return times[1:]


def compared(held: list[float], free: list[float]) -> str:
    halves = statistics.median(held), statistics.median(free)
    worst = percentile(held, 0.99), percentile(free, 0.99)
    return (
        f"median {halves[0] * 1e3:.2f} / {halves[1] * 1e3:.2f} ms = {halves[0] / halves[1]:.3f},"
        f" p99 {worst[0] * 1e3:.2f} / {worst[1] * 1e3:.2f} ms = {worst[0] / worst[1]:.2f},"
        f" p99 held / median free {worst[0] / halves[1]:.2f}"
    )


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]


def prepared(constraining: Constraining, schema: Any) -> float:
    begun = time.perf_counter()
    constraining.matcher(JsonDocument(schema))
    return (time.perf_counter() - begun) * 1e3


def lines(name: str, model: Path, given: argparse.Namespace) -> Iterator[str]:
    most = max(given.streams)
    settings = LoadSettings(context_length=1024, parallel=most, threads=given.threads)
    engine = llamacpp.load([model], settings, progress=lambda _share: True)
    constraining = Constraining(engine)
    first = prepared(constraining, {"type": "null"})
    new = statistics.median(prepared(constraining, LONG | {"minItems": 51 + n}) for n in range(5))
    known = statistics.median(prepared(constraining, LONG | {"minItems": 51}) for _ in range(5))
    yield f"{name}: prepare first ever {first:.0f} ms, new {new:.1f} ms, known {known:.2f} ms"
    for streams in given.streams:
        held, free = [], []
        for seed in range(given.repeats):
            size = {"streams": streams, "tokens": given.tokens, "seed": seed}
            held += round_of(engine, constraining.matcher(JsonDocument(LONG)), **size)
            free += round_of(engine, None, **size)
        for which, word in enumerate(("time", "processor time")):
            both = ([times[which] for times in each] for each in (held, free))
            yield f"{name}: {streams} streams, one held, {word}: {compared(*both)}"
    constraining.close()
    engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4])
    given = parser.parse_args()
    for name, model in (("49k", smollm2()), ("152k", qwen_coder())):
        for line in lines(name, model, given):
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
