"""Real weights go on when their context is full: moved where that can be, read again elsewhere."""

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp import engine as llamacpp
from tests.support import tiny_gemma
from tests.support.asker import Asker

pytestmark = pytest.mark.engine

CONTEXT = 32


def opened(path, **settings):
    small = {"context_length": CONTEXT, "parallel": 2, "threads": 1} | settings
    return llamacpp.load([path], LoadSettings(**small), progress=lambda _share: True)


@pytest.mark.parametrize(("unified", "moves"), [(False, True), (True, False)])
def test_a_story_goes_on_beyond_the_context(gguf, unified, moves):
    engine = opened(gguf, unified_kv=unified)
    prompt = engine.tokenize("Once upon a time, a girl", add_bos=False, parse_special=True)
    asker = Asker(engine)

    asker.ask(prompt, tokens=48, keep=len(prompt))
    engine.close()

    [story] = asker.texts
    assert engine.facts.can_shift is moves
    assert len(story.split()) > 25
    assert story.replace("\n", " ").isprintable()


def test_a_window_is_read_again_behind_what_is_kept(tmp_path):
    engine = opened(
        tiny_gemma.write(tmp_path / "m.gguf"), context_length=512, physical_batch_size=64
    )
    prompt = [3 + (7 * n * n + n) % (tiny_gemma.WORDS - 3) for n in range(505)]
    asker = Asker(engine)

    asker.ask(prompt, tokens=20, keep=100, logprobs=0)
    [said] = asker.chosen
    asker.forget_all()
    # It is full with these, and drops the middle to go on.
    shown = [*prompt, *(each.chosen.token for each in said[:8])]
    gap = (512 - 100) // 2
    asker.ask([*shown[:100], *shown[100 + gap :]], tokens=12, logprobs=0)
    [after] = asker.chosen
    engine.close()

    assert not engine.facts.can_shift
    assert len(shown) == 513
    assert [each.chosen.token for each in after] == [each.chosen.token for each in said[8:]]
    probable = [each.chosen.logprob for each in said[8:]]
    assert [each.chosen.logprob for each in after] == pytest.approx(probable, abs=1e-3)
