"""A real model in MLX's format, in a runner: the same words as from the GGUF it was made of."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.mlx.tokens import Tokens
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


TEXTS = ("Hello world, 1234!", "naïve 東京 \n\n\tx", "<|im_start|>user\nHi<|im_end|>", "it's  two")


def test_its_tokens_are_those_of_the_gguf_so_masks_and_prompts_are_too(engine):
    tokens = Tokens(smollm2_mlx())
    vocabulary = engine.facts.vocabulary

    assert tokens.pieces(vocabulary) == engine.pieces()
    ends = [token for token in range(vocabulary) if tokens.is_end(token)]
    assert set(ends) <= {token for token in range(vocabulary) if engine.is_end(token)}
    for text in TEXTS:
        for special in (False, True):
            same = [
                each.tokenize(text, add_bos=False, parse_special=special)
                for each in (tokens, engine)
            ]
            assert same[0] == same[1], text
    assert tokens.chat_template == engine.facts.chat_template


async def test_a_chat_with_real_weights(box):
    found = await answer(box, chat("What is the capital of France?", sampling=GREEDY, max_tokens=6))

    assert found.text == "The capital of France is Paris"
    assert found.end.reason == "length"
