"""Memory after a model was unloaded, over memory before it was ever loaded: does all of it come back?

    python tests/bench/unload_bench.py [--cycles 50] [MODEL.gguf]

Each cycle loads by a request, answers it, and unloads through the API. Then no process that was
not there before may be left, and daemon and gateway may have grown by the target at most. An echo model, which
has no weights, is loaded and unloaded before the first look: what lmctl needs once for that is no model's. Without a file SmolLM2 is
taken. Exits with 1 where the target is not met. Stops by itself in ten minutes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx2
import psutil

from tests.bench import jit_bench, run
from tests.support.box import Box, box_in
from tests.support.models import smollm2

TARGET = 5.0  # MiB
LONGEST = 600  # seconds
GONE = 10.0  # seconds a runner may take to be gone
LOOK = 0.02
ASKED = {"model": "bench", "prompt": "one two three four five six seven", "max_tokens": 4}


def processes(box: Box) -> list[psutil.Process]:
    """Return daemon and gateway, in this order; the gateway's workers are part of it."""
    gateway = psutil.Process(box.pid("server/gateway"))
    return [psutil.Process(box.daemon_pid()), gateway, *gateway.children(recursive=True)]


def declare(box: Box, path: Path) -> None:
    """Declare a model; load and unload one that has no weights."""
    box.echo("echo", residency="{mode: jit}")
    jit_bench.declare(box, path)
    with httpx2.Client(base_url=box.url, timeout=120) as http:
        post(http, "/v1/completions", {**ASKED, "model": "echo"})
        post(http, "/api/v1/models/unload", {"instance_id": "echo"})


def resident(found: list[psutil.Process]) -> float:
    """Return the MiB they have in memory together."""
    return sum(each.memory_info().rss for each in found) / run.MIB


def post(http: httpx2.Client, path: str, body: dict[str, object]) -> None:
    answer = http.post(path, json=body)
    if answer.status_code != 200:
        raise SystemExit(f"{path}: {answer.status_code} {answer.text}")


def cycles(box: Box, count: int) -> Iterator[tuple[float, float]]:
    """Yield after each cycle the MiB of daemon and gateway, and the seconds until the runner was gone."""
    staying = {each.pid for each in box.left_over()}
    with httpx2.Client(base_url=box.url, timeout=120) as http:
        for _ in range(count):
            post(http, "/v1/completions", ASKED)
            if len(box.left_over()) == len(staying):
                raise SystemExit("nothing was loaded")
            began = time.monotonic()
            post(http, "/api/v1/models/unload", {"instance_id": "bench"})
            while left := {each.pid for each in box.left_over()} - staying:
                if time.monotonic() - began > GONE:
                    raise SystemExit(f"processes are left after an unload: {left}")
                time.sleep(LOOK)
            yield resident(processes(box)), time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--cycles", type=int, default=50)
    given = parser.parse_args()
    path = given.model or smollm2()
    with (
        run.stopping_in_time(LONGEST),
        tempfile.TemporaryDirectory(prefix="lmctl-bench-") as folder,
        box_in(Path(folder)) as box,
    ):
        declare(box, path)
        before = resident(processes(box))
        run.say(f"daemon and gateway before: {before:.1f} MiB")
        found = []
        for number, (after, took) in enumerate(cycles(box, given.cycles), 1):
            found.append(after)
            if number in {1, given.cycles} or number % 10 == 0:
                run.say(
                    f"cycle {number:3d}: {after - before:+.1f} MiB, gone in {took * 1e3:.0f} ms"
                )
    grown = found[-1] - before
    since_first = found[-1] - found[0]
    run.say(
        f"after {len(found)} cycles: {grown:+.1f} MiB since before, {since_first:+.1f} MiB since the first"
    )
    return 0 if grown <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
