"""Blocks that look back through a window keep the window only, and nothing is lost by it."""

from pathlib import Path

import numpy as np
import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.port import Bell, Feed, Interrupted
from tests.support import tiny_gemma

LOAD = LoadSettings(context_length=2048, parallel=2, batch_size=512, physical_batch_size=256)
STEP = 256
GREEDY = Sampling(temperature=0, repeat_penalty=None)
LONG = [3 + (7 * n * n + n) % (tiny_gemma.WORDS - 3) for n in range(1500)]


class RingsAfter(Bell):
    """Interrupts a step after so many parts of it."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self._parts = parts

    def is_set(self) -> bool:
        return self.beats >= self._parts


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_gemma.write(tmp_path_factory.mktemp("gemma") / "m.gguf")


def read(engine, prompt, *, interrupt=()):
    """Feed a prompt in steps, break some of them off first; return the logits of its end."""
    from llama_cpp import llama_get_logits_ith

    engine.begin(0, GREEDY, prompt)
    for number, begin in enumerate(range(0, len(prompt), STEP)):
        piece = prompt[begin : begin + STEP]
        last = begin + STEP >= len(prompt)
        if number in interrupt:
            with pytest.raises(Interrupted):
                engine.step([Feed(0, piece, wants=int(last))], RingsAfter(40))
        engine.step([Feed(0, piece, wants=int(last))], Bell())
    pointer = llama_get_logits_ith(engine._context, -1)
    found = np.ctypeslib.as_array(pointer, (engine.facts.vocabulary,)).copy()
    engine.forget(0)
    return found


@pytest.mark.engine
def test_a_step_that_is_broken_off_is_taken_back_from_a_window_too(model):
    from lmctl.runner.llamacpp import engine as llamacpp

    engine = llamacpp.load([model], LOAD, progress=lambda _share: True)
    try:
        whole = read(engine, LONG)
        broken = read(engine, LONG, interrupt=(2, 3, 5))
        other = read(engine, [*LONG[:-1], 5])
    finally:
        engine.close()
    assert np.array_equal(whole, broken)
    assert not np.array_equal(whole, other)


@pytest.mark.engine
def test_what_is_out_of_sight_is_not_missed(model, monkeypatch):
    """A cache of every token says the same as one of the window."""
    from lmctl.runner.llamacpp import engine as llamacpp
    from lmctl.runner.llamacpp import load as loading

    engine = llamacpp.load([model], LOAD, progress=lambda _share: True)
    window = read(engine, LONG)
    engine.close()
    usual = loading.context_params

    def with_everything(settings):
        params = usual(settings)
        params.swa_full = True
        return params

    monkeypatch.setattr(loading, "context_params", with_everything)
    engine = llamacpp.load([model], LOAD, progress=lambda _share: True)
    everything = read(engine, LONG)
    engine.close()
    assert np.allclose(window, everything, atol=1e-4)
