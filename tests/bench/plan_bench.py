"""How long it takes from files to a plan, against the time the YAML parser alone needs.

    python tests/bench/plan_bench.py [--counts 100,1000,10000]

Both are measured in one fresh process per size, on the same bytes: `read` is scan, parse, validate,
check across objects and resolve; `plan` is the plan for an empty box; `again` is a second reading
with one file changed, as after an edit; `YAML` is ruamel.yaml's parser running over every file and
throwing its events away. The ratio is (read + plan) / YAML.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

MODEL = """\
# A model of the benchmark, as people write them
model: acme/model-{number:05d}
base:
  - key: acme/model-{number:05d}-gguf
    sources:
      - {{type: huggingface, user: acme, repo: model-{number:05d}-GGUF, file: model-Q4_K_M.gguf}}
      - type: file
        path: /weights/model-{number:05d}.gguf
tags: [bench, small]
config:
  load:
    fields:
      - {{key: llm.load.contextLength, value: {context}}}
  operation:
    fields:
      - {{key: llm.prediction.temperature, value: 0.2}}
      - key: llm.prediction.topKSampling
        value: 40
"""
COUNTS = (100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each part, and what was read."""

    files: int
    bytes: int
    parser: float
    read: float
    plan: float
    again: float

    @property
    def ratio(self) -> float:
        return (self.read + self.plan) / self.parser

    def __str__(self) -> str:
        each = 1e3 / self.files
        return (
            f"    {self.files:>6} models: YAML {self.parser * each:5.2f} ms each, "
            f"read {self.read * each:5.2f}, plan {self.plan * each:5.3f}, "
            f"again {self.again * 1e3:6.0f} ms in all; ratio {self.ratio:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    for each in measured([int(count) for count in parser.parse_args().counts.split(",")]):
        sys.stdout.write(f"{each}\n")
        sys.stdout.flush()


def measured(counts: Sequence[int]) -> list[Times]:
    """Return the times for each number of models, each from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return [pool.apply(_measure, (count,)) for count in counts]


def _measure(count: int) -> Times:
    with tempfile.TemporaryDirectory(prefix="lmctl-bench-") as folder:
        return _times(Path(folder), count)


def _times(folder: Path, count: int) -> Times:
    from lmctl.planning.observed import ObservedState
    from lmctl.planning.planner import make_plan
    from lmctl.planning.resolve import HostFacts
    from lmctl.reconciler.reading import read_folders

    size = sum(_write(folder, number, context=4096) for number in range(count))
    host = HostFacts(sockets="/run/lmctl")
    read_folders([folder / "model-00000"], host)  # whatever is done once only
    begin = time.perf_counter()
    result = read_folders([folder], host)
    read = time.perf_counter()
    plan = make_plan(result.desired, ObservedState())
    planned = time.perf_counter()
    if result.fatal or len(plan.steps) < count:
        raise SystemExit(f"the benchmark's own manifests are broken: {result.problems[:3]}")
    _write(folder, 1, context=8192)
    edited = time.perf_counter()
    read_folders([folder], host)
    again = time.perf_counter() - edited
    contents = [path.read_text() for path in sorted(folder.rglob("model.yaml"))]
    parser = _parse_all(contents)
    return Times(count, size, parser, read - begin, planned - read, again)


def _parse_all(contents: Sequence[str]) -> float:
    """Return the seconds the parser alone needs for these texts."""
    from ruamel.yaml import YAML

    begin = time.perf_counter()
    for each in contents:
        for _ in YAML(typ="safe", pure=True).parse(each):
            pass
    return time.perf_counter() - begin


def _write(folder: Path, number: int, *, context: int) -> int:
    path = folder / f"model-{number:05d}" / "model.yaml"
    path.parent.mkdir(exist_ok=True)
    return path.write_text(MODEL.format(number=number, context=context))


if __name__ == "__main__":
    main()
