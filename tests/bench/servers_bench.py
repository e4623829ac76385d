"""Through lmctl's gateway, and through other servers of the same GGUF: tokens per second, first token.

    python tests/bench/servers_bench.py [MODEL.gguf] [--streams 1 4 8 16] [--tokens 64] [--repeats 3]
                                        [--others native xllamacpp llama_cpp.server]

All servers are up at once, with the same threads, contexts, prompts and greedy sampling, and answer in
turns. No prompt is asked twice of one server, so nothing is cached. Tokens per second count from the
first request to the last token, prompts included. Without a file SmolLM2 is taken. Leaves by itself after a quarter of an hour.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import other_servers, run
from tests.bench.other_servers import SERVERS, Shape
from tests.support.box import Box
from tests.support.models import smollm2

LONGEST = 900  # seconds
CONTEXT = 256
ANSWER = 60.0  # seconds all answers of one cell may take
WORDS = (
    "river stone engine copper window morning ladder silver garden forest thunder paper candle "
    "mountain valley bridge lantern harbor winter summer market castle feather orchard compass"
)
OURS = "lmctl"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its text, and when it was asked, when its first and its last piece came."""

    text: str
    asked: float
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One server at some streams: tokens per second, seconds to the first token, texts in order."""

    rate: float
    first: tuple[float, ...]
    texts: tuple[str, ...]


def body(number: int, tokens: int) -> dict[str, Any]:
    words = " ".join(random.Random(number).choices(WORDS.split(), k=40))
    return {
        "model": "chat",
        "prompt": f"Story {number} about {words}. Once upon a time",
        "temperature": 0,
        "repeat_penalty": 1.0,
        "logit_bias": {str(token): bias for token, bias in run.ENDS},
        "ignore_eos": True,  # the biases do it for those who do not know this
        "max_tokens": tokens,
        "stream": True,
    }


async def ask(url: str, asked: dict[str, Any]) -> Answer:
    """Stream an answer over a plain socket: a client that uses little of the machine.

    Raises SystemExit when it is not as long as it was asked to be.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    content = json.dumps(asked).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    begun, first, last, pieces, finish = time.perf_counter(), 0.0, 0.0, [], None
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + content)
    async for line in reader:
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:]).get("choices", ()):
                last = time.perf_counter()
                first = first or last
                pieces.append(choice["text"])
                finish = choice.get("finish_reason") or finish
    writer.close()
    if finish != "length":
        raise SystemExit(f"{url} ended with {finish} after {''.join(pieces)!r}")
    return Answer("".join(pieces), begun, first, last)


async def cell(url: str, *, first: int, streams: int, tokens: int) -> Cell:
    async with asyncio.timeout(ANSWER):
        asked = [ask(url, body(first + number, tokens)) for number in range(streams)]
        answers = await asyncio.gather(*asked)
    took = max(each.last for each in answers) - min(each.asked for each in answers)
    waited = tuple(each.first - each.asked for each in answers)
    return Cell(streams * tokens / took, waited, tuple(each.text for each in answers))


def measured(urls: dict[str, str], given: argparse.Namespace) -> dict[int, dict[str, list[Cell]]]:
    """Return every cell by streams and server; in each round another server is the first."""
    found: dict[int, dict[str, list[Cell]]] = {}
    for streams in given.streams:
        cells = found[streams] = {name: [] for name in urls}
        for repeat in range(given.repeats):
            names = list(urls)
            for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
                first = streams * 10_000 + repeat * 100
                asked = cell(urls[name], first=first, streams=streams, tokens=given.tokens)
                cells[name].append(asyncio.run(asked))
        told(streams, cells)
    return found


def told(streams: int, cells: dict[str, list[Cell]]) -> None:
    """Say medians of one number of streams; ratios are medians of those within a round."""
    ours = cells[OURS]
    for name, theirs in cells.items():
        pairs = list(zip(ours, theirs, strict=True))
        ratio = statistics.median(one.rate / other.rate for one, other in pairs)
        waits = sorted(wait for each in theirs for wait in each.first)
        late = waits[round(0.95 * (len(waits) - 1))]
        alike = sum(
            a == b for one, other in pairs for a, b in zip(one.texts, other.texts, strict=True)
        )
        rate = statistics.median(each.rate for each in theirs)
        run.say(
            f"{streams:3d} streams  {name:<16} {rate:6.1f} tokens/s  lmctl / it {ratio:.2f}  "
            f"first token p95 {late * 1e3:7.0f} ms  {alike} of {len(waits)} texts as ours"
        )


def declare(box: Box, *, shape: Shape) -> None:
    run.declare_weights(box, weights=shape.weights)
    load = (
        f"{{contextLength: {shape.context}, parallel: {shape.sequences}, "
        f"cpuThreadPoolSize: {shape.threads}}}"
    )
    box.instance("chat", "acme/chat", load=load)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--others", nargs="+", choices=SERVERS, default=list(SERVERS))
    given = parser.parse_args()
    shape = Shape(given.model or smollm2(), given.threads, max(given.streams), CONTEXT)
    with (
        run.stopping_in_time(LONGEST),
        tempfile.TemporaryDirectory(prefix="lmctl-bench-") as logs,
        other_servers.serving(given.others, shape, Path(logs)) as others,
        run.box_that(partial(declare, shape=shape)) as box,
    ):
        measured({OURS: box.url, **others}, given)


if __name__ == "__main__":
    main()
