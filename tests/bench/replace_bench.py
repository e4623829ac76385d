"""Replacements on real processes under load: what fails, what waits and for how long. Prints figures.

    python tests/bench/replace_bench.py [--surge 100] [--requests 10000] [--drain 10] [--failed 1000]

A box of its own (echo engine) in a temporary folder; ends everything it started. Bounded by the
counts, about four minutes with the defaults on two cores.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lmctl.planning.conditions import State  # noqa: E402
from tests.support.box import Box, box_in  # noqa: E402
from tests.support.load import Asked, Load, load_on  # noqa: E402

CHECKS = '[{prompt: Say it., expect: {regex: "^r"}, maxSeconds: 20}]'
BAD = '[{prompt: Say it., expect: {regex: "^never"}}]'


def main() -> None:
    """Run the three parts, one box each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surge", type=int, default=100, help="surge replacements")
    parser.add_argument("--requests", type=int, default=10_000, help="requests they meet at least")
    parser.add_argument("--drain", type=int, default=10, help="drain replacements")
    parser.add_argument(
        "--failed", type=int, default=1000, help="requests beside a failed candidate"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lmb") as folder:
        surge(Path(folder, "a"), chosen.surge, chosen.requests)
        drain(Path(folder, "b"), chosen.drain)
        failed_candidate(Path(folder, "c"), chosen.failed)


def surge(root: Path, count: int, requests: int) -> None:
    """Replace a runner beside itself, again and again, while clients ask; a neighbour is untouched."""
    with _box(root, "surge") as (box, load):
        neighbour, began = box.pid("instance/other"), time.monotonic()
        flips: list[float] = []
        for revision in range(2, count + 2):
            declare(box, revision, "surge", CHECKS)
            _until_ready(box, revision)
            flips.append(_last_flip(box))
        load.until(requests)
        took = time.monotonic() - began
        load.stop()
        stale = sum(_older(each, flips) for each in load.asked if not each.trouble)
        untouched = box.pid("instance/other") == neighbour
    told = f"{count} surge replacements in {took:.0f} s ({took / count:.2f} s each)"
    report(told, load, stale=stale, neighbour_pid_constant=untouched)


def drain(root: Path, count: int) -> None:
    """End the runner before the new one loads; requests wait meanwhile."""
    with _box(root, "drain") as (box, load):
        for revision in range(2, count + 2):
            declare(box, revision, "drain", CHECKS)
            _until_ready(box, revision)
        load.more(50)
        load.stop()
    longest = sorted(each.ended - each.began for each in load.asked)[-4 * count :]
    report(f"{count} drain replacements", load, median_wait_of_parked=f"{_median(longest):.2f} s")


def failed_candidate(root: Path, requests: int) -> None:
    """Declare what fails its checks: by surge, then by drain."""
    with _box(root, "surge") as (box, load):
        for how in ("surge", "drain"):
            declare(box, 2, how, BAD)
            box.until(lambda s: _state(s) is State.STALLED and s.generation > 1)
            load.more(requests)
            declare(box, 1, how, CHECKS)
            box.until(lambda s: s.ready and not s.steps)
        load.stop()
    report("failed candidates, one by surge and one by drain", load, revisions=sorted(load.texts))


class _box:  # noqa: N801 - reads as a function
    """A box with an instance, a neighbour and clients that ask."""

    def __init__(self, root: Path, how: str) -> None:
        self._boxed = box_in(root)
        self._how = how

    def __enter__(self) -> tuple[Box, Load]:
        box = self._boxed.__enter__()
        declare(box, 1, self._how, CHECKS)
        box.echo("other")
        box.apply()
        self._load = load_on(box.port)
        return box, self._load.__enter__()

    def __exit__(self, *error: object) -> None:
        self._load.__exit__(None, None, None)
        self._boxed.__exit__(None, None, None)


def declare(box: Box, revision: int, how: str, checks: str) -> None:
    """Declare an instance whose answers say which revision of it they are from."""
    box.write(f"scripts/chat-{revision}.json", json.dumps({"reply": f"r{revision}"}))
    box.write(
        "models/chat/model.yaml",
        "model: acme/chat\nbase:\n  - key: acme/chat-script\n    sources:\n"
        f"      - {{type: file, path: ../../scripts/chat-{revision}.json}}\n",
    )
    strategy = f"{{type: {how}, maxDrain: 10s}}"
    box.instance("chat", "acme/chat", runtime="echo", strategy=strategy, checks=checks)


def _until_ready(box: Box, revision: int) -> None:
    """Wait until everything is as the last edit says; writing two files may be two generations."""
    marker = f"chat-{revision}.json"
    box.until(
        lambda s: (
            s.ready
            and not s.steps
            and any(marker in str(each.facts.get("source")) for each in s.objects)
        )
    )


def _state(status) -> State:  # type: ignore[no-untyped-def]
    return next(each.state for each in status.objects if each.key == "instance/chat")


def _last_flip(box: Box) -> float:
    """Return when a route was last switched; the log of events keeps the newest only."""
    found = [each for each in box.client.events(0) if each.reason == "Done"]
    return max(each.at for each in found if each.message.startswith("switch "))


def _older(each: Asked, flips: list[float]) -> bool:
    return int(each.text[1:]) < 1 + sum(each.began > at for at in flips)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def report(told: str, load: Load, **more: object) -> None:
    """Print one part's figures."""
    times = sorted(each.ended - each.began for each in load.asked)
    streams = sum(each.stream for each in load.asked)
    print(f"{told}")  # noqa: T201
    print(f"  requests {len(load.asked)}, {streams} of them streams, failed {len(load.failed)}")  # noqa: T201
    points = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    shown = [
        f"{name} {times[round((len(times) - 1) * at)] * 1000:.0f} ms" for name, at in points.items()
    ]
    print(f"  latency {', '.join(shown)}")  # noqa: T201
    for name, value in more.items():
        print(f"  {name.replace('_', ' ')}: {value}")  # noqa: T201
    for each in load.failed[:5]:
        print(f"  failed: {each.trouble}")  # noqa: T201
    sys.stdout.flush()


if __name__ == "__main__":
    main()
