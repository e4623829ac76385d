"""Loading by a request, over loading the same file with llama.cpp alone.

    python tests/bench/jit_bench.py [--repeats 5] [MODEL.gguf...]

In turns: a new process that does nothing but import llama.cpp, load the file, make a context and read
ten tokens; and a request through gateway, daemon and a new runner, from its first byte to its whole
answer of one token. The file is in the page cache for both. Without files SmolLM2 is taken, fetched
through lmctl's store. Exits with 1 where the median is over the target.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx2

from tests.support.box import Box, box_in
from tests.support.models import smollm2

TARGET = 1.2
CONTEXT = 2048
RAW = """
import ctypes, os, sys, time
began = time.perf_counter()
import llama_cpp as library
library.llama_log_set(ctypes.cast(None, library.llama_log_callback), None)
library.llama_backend_init()
loading = time.perf_counter()
model = library.llama_model_load_from_file(os.fsencode(sys.argv[1]), library.llama_model_default_params())
params = library.llama_context_default_params()
params.n_ctx, params.n_threads, params.n_threads_batch = int(sys.argv[2]), os.cpu_count(), os.cpu_count()
context = library.llama_init_from_model(model, params)
tokens = (library.llama_token * 10)(*range(100, 110))
assert library.llama_decode(context, library.llama_batch_get_one(tokens, 10)) == 0
library.llama_get_logits(context)
print(time.perf_counter() - loading, flush=True)
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Raw:
    """Seconds from the start of the process, and those of loading and reading alone."""

    whole: float
    load: float


def raw(path: Path) -> Raw:
    """Load a file with llama.cpp alone, in a process of its own."""
    began = time.perf_counter()
    words = [sys.executable, "-c", RAW, str(path), str(CONTEXT)]
    out = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return Raw(time.perf_counter() - began, float(out))


def declare(box: Box, path: Path) -> None:
    box.write(
        "models/bench/model.yaml",
        f"""\
        model: acme/bench
        base:
          - key: acme/bench-gguf
            sources:
              - {{type: file, path: {path}}}
        """,
    )
    box.instance(
        "bench",
        "acme/bench",
        load=f"{{contextLength: {CONTEXT}, parallel: 1}}",
        residency="{mode: jit}",
    )
    box.apply()


def by_request(box: Box) -> float:
    """Return the seconds of a request that loads; what it loaded is gone again afterwards."""
    body = {"model": "bench", "prompt": "one two three four five six seven", "max_tokens": 1}
    began = time.perf_counter()
    answer = httpx2.post(f"{box.url}/v1/completions", json=body, timeout=600)
    took = time.perf_counter() - began
    if answer.status_code != 200:
        raise SystemExit(answer.text)
    gone = box.lmctl("unload", "bench")
    if gone.code:
        raise SystemExit(gone.err)
    return took


def measure(path: Path, repeats: int) -> dict[str, float]:
    raws, requests = [], []
    with tempfile.TemporaryDirectory() as folder, box_in(Path(folder)) as box:
        declare(box, path)
        raw(path)
        by_request(box)  # what is done once: the runtime's self-test, the page cache
        for _ in range(repeats):
            raws.append(raw(path))
            requests.append(by_request(box))
        box.lmctl("daemon", "down")
    request = statistics.median(requests)
    whole = statistics.median(each.whole for each in raws)
    load = statistics.median(each.load for each in raws)
    return {
        "request_s": round(request, 3),
        "raw_process_s": round(whole, 3),
        "raw_load_s": round(load, 3),
        "ratio_process": round(request / whole, 2),
        "ratio_load": round(request / load, 2),
        "beside_load_s": round(request - load, 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="MODEL.gguf")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    met = True
    for path in chosen.files or [smollm2()]:
        found = measure(path, chosen.repeats)
        met = met and found["ratio_process"] <= TARGET
        sys.stdout.write(json.dumps({"file": path.name, **found}) + "\n")
        sys.stdout.flush()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
