import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.runner.port import Bell, Engine, Feed
from tests.functional.runner.boxes import Box, start


@pytest.fixture(scope="session")
def gguf() -> Path:
    """SmolLM2-135M-Instruct; `LMCTL_TEST_GGUF` names a copy of it to use instead."""
    given = os.environ.get("LMCTL_TEST_GGUF")
    if given:
        return Path(given)
    from tests.support.models import smollm2

    return smollm2()


@pytest.fixture(scope="module")
def engine(gguf: Path) -> Iterator[Engine]:
    """The model in this process, two sequences of 512 tokens."""
    from lmctl.runner.llamacpp import engine as llamacpp

    settings = LoadSettings(context_length=512, parallel=2, threads=1)
    found = llamacpp.load([gguf], settings, progress=lambda _share: True)
    yield found
    found.close()


@pytest.fixture
async def box(gguf: Path) -> AsyncIterator[Box]:
    """The model in a runner: four sequences of 1024 tokens."""
    with TemporaryDirectory(prefix="lm") as folder:
        load = LoadSettings(context_length=1024, parallel=4, threads=1)
        found = start(Path(folder), gguf, engine="llama.cpp", load=load)
        try:
            yield await found.ready()
        finally:
            await found.end()


def decode(engine: Engine, sequence: int, tokens: list[int], *, count: int) -> list[int]:
    """Feed tokens to a sequence that was begun, and then `count` of its own."""
    found: list[int] = []
    for _ in range(count):
        [[sampled]] = engine.step([Feed(sequence, tokens, wants=1)], Bell())
        found.append(sampled.token)
        tokens = [sampled.token]
    return found
