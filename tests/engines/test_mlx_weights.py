"""A real model in MLX's format, in a runner: the same words as from the GGUF it was made of."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from tests.functional.runner.boxes import answer, chat, start
from tests.support.smollm_mlx import smollm2_mlx

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

GREEDY = Sampling(temperature=0, repeat_penalty=None)


@pytest.fixture
async def box():
    weights = sorted(smollm2_mlx().iterdir())
    with TemporaryDirectory(prefix="lm") as folder:
        load = LoadSettings(context_length=256, parallel=2)
        found = start(Path(folder), *weights, engine="mlx", load=load)
        try:
            yield await found.ready()
        finally:
            await found.end()


async def test_a_chat_with_real_weights(box):
    found = await answer(box, chat("What is the capital of France?", sampling=GREEDY, max_tokens=6))

    assert found.text == "The capital of France is Paris"
    assert found.end.reason == "length"
