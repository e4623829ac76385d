"""Greedy answers of real weights are the same, whether the prompt was read or found.

As far as arithmetic allows: a token that was computed beside others is rounded otherwise. Answers
may part where the two likeliest tokens were as good as equal, and nowhere else.
"""

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp import engine as llamacpp
from tests.support import tiny_gemma
from tests.support.asker import Asker

pytestmark = pytest.mark.engine

SYSTEM = (
    "<|im_start|>system\nYou are a careful clerk. Answer in one short sentence. Never invent facts, "
    "never repeat the question, always name the place you speak of.<|im_end|>\n"
)
QUESTIONS = ("Where is the Louvre?", "Which river runs there?")


AS_GOOD_AS_EQUAL = 0.2
"""Natural logarithm of the ratio of two probabilities that rounding may swap (4-bit weights)."""


def assert_alike(one, other):
    """Compare two answers up to where they part, and how sure the model was there."""
    for here, there in zip(one, other, strict=True):
        if here.chosen.token != there.chosen.token:
            first, second = there.likeliest
            assert second.token == here.chosen.token
            assert first.logprob - second.logprob < AS_GOOD_AS_EQUAL
            return


def opened(path, **settings):
    small = {"context_length": 1024, "parallel": 3, "threads": 1} | settings
    return llamacpp.load([path], LoadSettings(**small), progress=lambda _share: True)


@pytest.mark.parametrize("unified", [False, True])
def test_a_conversation_goes_on_the_same_with_what_was_kept_and_without(gguf, unified):
    engine = opened(gguf, unified_kv=unified)
    asker = Asker(engine)
    text, kept, cold, shares = SYSTEM, [], [], []
    for question in QUESTIONS:
        text += f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        prompt = engine.tokenize(text, add_bos=False, parse_special=True)
        [(said, cached)] = asker.ask(prompt, logprobs=2)
        kept.extend(asker.chosen)
        shares.append(cached / len(prompt))
        text += b"".join(map(engine.piece, said)).decode() + "<|im_end|>\n"
        cold.append(prompt)
    for number, prompt in enumerate(cold):
        asker.forget_all()
        [(_, found)] = asker.ask(prompt, logprobs=2)
        assert found == 0
        assert_alike(kept[number], asker.chosen[0])
    asker.forget_all()
    engine.close()
    assert shares[0] == 0
    assert shares[1] > 0.7


def test_askers_who_share_a_beginning_are_answered_as_if_each_were_alone(gguf):
    engine = opened(gguf, physical_batch_size=64)
    asker = Asker(engine)
    prompts = [
        engine.tokenize(
            f"{SYSTEM}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
            add_bos=False,
            parse_special=True,
        )
        for question in QUESTIONS
    ]

    together = asker.ask(*prompts, logprobs=2)
    told = asker.chosen
    for prompt, said in zip(prompts, told, strict=True):
        asker.forget_all()
        asker.ask(prompt, logprobs=2)
        assert_alike(said, asker.chosen[0])
    asker.forget_all()
    engine.close()

    assert [cached > 30 for _, cached in together] == [False, True]


def test_a_window_s_sequence_is_gone_on_with_and_not_cut_back_far(tmp_path):
    engine = opened(tiny_gemma.write(tmp_path / "m.gguf"), physical_batch_size=64)
    asker = Asker(engine)
    long = [3 + (7 * n * n + n) % (tiny_gemma.WORDS - 3) for n in range(600)]

    [(first, _)] = asker.ask(long)
    [(second, on)] = asker.ask([*long, *first, 5, 6])
    [(third, back)] = asker.ask(long[:200])
    asker.forget_all()
    assert asker.ask([*long, *first, 5, 6]) == [(second, 0)]
    asker.forget_all()
    assert asker.ask(long[:200]) == [(third, 0)]
    asker.forget_all()
    engine.close()

    assert on == 600 + len(first) - 1
    assert back == 0
