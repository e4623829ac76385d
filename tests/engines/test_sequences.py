"""Sequences of real weights: copied, cut, shifted, guessed, constrained, and asked how sure."""

import math

import numpy as np
import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.port import Bell, Feed
from tests.engines.conftest import decode

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0, repeat_penalty=None)
STORY = "The old lighthouse keeper climbed the stairs every evening and lit the lamp. One night"


def words(engine, text):
    return engine.tokenize(text, add_bos=False, parse_special=True)


def answer(engine, sequence, tokens, fed, *, count=8, **more):
    """Begin a sequence that has read all but `fed`, and let it answer."""
    engine.begin(sequence, GREEDY, tokens, **more)
    return decode(engine, sequence, fed, count=count)


@pytest.fixture
def story(engine):
    """What is said to the story read at once."""
    tokens = words(engine, STORY)
    found = answer(engine, 0, tokens, tokens)
    engine.forget(0)
    return found


@pytest.mark.parametrize("unified", [False, True])
def test_a_copy_cut_to_what_is_shared_answers_as_if_it_had_read_all(gguf, story, unified):
    settings = LoadSettings(context_length=512, parallel=3, unified_kv=unified)
    engine = llamacpp.load([gguf], settings, progress=lambda _share: True)
    tokens = words(engine, STORY)
    other = [*tokens[:10], *words(engine, " nobody came")]
    engine.begin(0, GREEDY, other)
    kept = decode(engine, 0, other, count=1)

    engine.copy(0, 2)
    engine.cut(2, 10)
    found = answer(engine, 2, tokens, tokens[10:])
    after = decode(engine, 0, kept, count=4)  # what was copied goes on undisturbed
    for sequence in (0, 2):
        engine.forget(sequence)

    again = answer(engine, 1, other, other, count=5)
    engine.close()
    assert found == story
    assert again == kept + after


def test_a_shift_leaves_a_sequence_that_goes_on(engine):
    """Not the words of a prompt without the middle: what comes after it was read beside it."""
    tokens = words(engine, STORY)
    engine.begin(0, GREEDY, tokens)
    decode(engine, 0, tokens, count=1)

    engine.shift(0, keep=4, discard=6)
    ringing = Bell()
    ringing.set()  # must not end the step halfway that turns the moved tokens
    [[sampled]] = engine.step([Feed(0, words(engine, " he saw"), wants=1)], ringing)
    rest = decode(engine, 0, [sampled.token], count=8)
    engine.forget(0)

    text = b"".join(map(engine.piece, [sampled.token, *rest])).decode()
    assert engine.facts.can_shift
    assert text.isprintable()
    assert len(set(rest)) > 3


def test_what_is_guessed_right_is_what_would_have_been_chosen(engine, story):
    tokens = words(engine, STORY)
    wrong = [story[0], story[0] + 1]
    engine.begin(0, GREEDY, tokens)

    [first] = engine.step([Feed(0, [*tokens, story[0]], wants=2)], Bell())
    engine.cut(0, len(tokens))
    [second] = engine.step([Feed(0, wrong, wants=2)], Bell())
    engine.cut(0, len(tokens) + 1)
    rest = decode(engine, 0, story[1:2], count=6)
    engine.forget(0)

    assert [each.token for each in first] == story[:2]
    assert [each.token for each in second] == story[1:2]
    assert rest == story[2:8]


class Only:
    """Allows some tokens for ever."""

    ended = False

    def __init__(self, vocabulary, allowed):
        bits = np.zeros(vocabulary + -vocabulary % 32, np.uint8)
        bits[allowed] = 1
        self._mask = np.packbits(bits, bitorder="little").view(np.uint32)
        self.accepted = []

    def mask(self):
        return memoryview(self._mask)

    def accept(self, token):
        self.accepted.append(token)
        return token


@pytest.mark.parametrize(
    "sampling",
    [
        pytest.param(GREEDY, id="greedy"),
        pytest.param(Sampling(temperature=2.0, seed=3), id="drawn"),
        pytest.param(Sampling(logit_bias=((9, math.inf),)), id="against a bias"),
        pytest.param(Sampling(temperature=0, repeat_penalty=-1.0), id="against a penalty"),
    ],
)
def test_only_what_a_matcher_allows_is_chosen(engine, sampling):
    allowed = words(engine, " sea land sky")
    matcher = Only(engine.facts.vocabulary, allowed)
    prompt = words(engine, "The sea")
    engine.begin(0, sampling, prompt, matcher=matcher)

    found = decode(engine, 0, prompt, count=12)
    engine.forget(0)

    assert set(found) <= set(allowed)
    assert matcher.accepted == found


def test_probabilities_are_the_model_s_own_and_add_up_to_one(engine):
    prompt = words(engine, "The capital of France is")
    every = engine.facts.vocabulary
    bias = ((100, 50.0),)
    engine.begin(0, Sampling(temperature=0, logit_bias=bias), prompt, logprobs=every)

    [[sampled]] = engine.step([Feed(0, prompt, wants=1)], Bell())
    engine.forget(0)

    likeliest = sampled.chosen.likeliest
    assert (sampled.token, sampled.chosen.chosen.token) == (100, 100)
    assert likeliest[0].piece == b" Paris"
    assert len(likeliest) == every
    assert [each.logprob for each in likeliest] == sorted(
        (each.logprob for each in likeliest), reverse=True
    )
    assert sum(math.exp(each.logprob) for each in likeliest) == pytest.approx(1, abs=1e-4)
    assert sampled.chosen.chosen.logprob < -5
