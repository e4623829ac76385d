"""MLX behind the port, with small random models: what it says is what mlx-lm says of the same.

A model with a window, and one with a state of which nothing can be taken back, are read as well.
"""

import math
from itertools import pairwise

import mlx.core as mx
import pytest
from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model

from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.mlx import opening as mlx
from lmctl.runner.port import Bell, Feed, Full, Interrupted, LoadFailed
from tests.engines.conftest import decode
from tests.support import tiny_mlx

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0, repeat_penalty=None)
WINDOW = 8
KINDS = {
    "plain": {},
    "quantized": {"bits": 4},
    "window": {
        "model_type": "gemma3_text",
        "sliding_window": WINDOW,
        "sliding_window_pattern": 2,
        "head_dim": 16,
        "rope_theta": 10_000.0,
    },
    "one by one": {
        "model_type": "gemma2",
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    "state": {
        "model_type": "mamba",
        "state_size": 8,
        "conv_kernel": 4,
        "use_bias": False,
        "use_conv_bias": True,
        "time_step_rank": 4,
        "intermediate_size": 96,
    },
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        kind: tiny_mlx.write(tmp_path_factory.mktemp(kind) / "model", **more)
        for kind, more in KINDS.items()
    }


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request, folders):
    return folders[request.param]


def opened(folder, **settings):
    files = [(path.name, path) for path in sorted(folder.iterdir())]
    wanted = LoadSettings(**{"context_length": 256, "parallel": 4} | settings)
    return mlx.load(files, wanted, progress=lambda _share: True)


@pytest.fixture(scope="module")
def engine(folder):
    found = opened(folder)
    yield found
    found.close()


@pytest.fixture(scope="module")
def plain(folders):
    found = opened(folders["plain"])
    yield found
    found.close()


@pytest.fixture(autouse=True)
def emptied(request):
    """Leave no sequence behind."""
    yield
    for name in ("engine", "plain"):
        if name in request.fixturenames:
            found = request.getfixturevalue(name)
            for sequence in range(found.facts.slots):
                if sequence in found._memory._read:
                    found.forget(sequence)


def words(engine, text):
    return engine.tokenize(text, add_bos=True, parse_special=True)


def answer(engine, sequence, tokens, fed=None, *, count=8, sampling=GREEDY, **more):
    engine.begin(sequence, sampling, tokens, **more)
    return decode(engine, sequence, tokens if fed is None else fed, count=count)


def reference(folder, tokens, count):
    """Return what mlx-lm itself goes on with."""
    model, _ = load_model(folder)
    return [int(token) for token, _ in generate_step(mx.array(tokens), model, max_tokens=count)]


PROMPTS = ["The lamp is lit. ", "a", "One night the sea rose over it and the keeper saw "]


def test_what_it_says_is_what_mlx_lm_says(engine, folder):
    tokens = words(engine, PROMPTS[2])

    assert answer(engine, 0, tokens, count=16) == reference(folder, tokens, 16)


def test_a_long_text_is_read_in_pieces_into_rows_that_grow(folders):
    engine = opened(folders["plain"], context_length=2048)
    tokens = words(engine, PROMPTS[2] * 14)
    assert len(tokens) > 2 * 256

    engine.begin(1, GREEDY, tokens[:3])
    decode(engine, 1, tokens[:3], count=2)

    assert answer(engine, 0, tokens, count=6) == reference(folders["plain"], tokens, 6)


def test_neighbours_that_come_and_go_change_nothing(engine):
    prompts = [words(engine, text) for text in PROMPTS]
    alone = []
    for tokens in prompts:
        alone.append(answer(engine, 0, tokens, count=6))
        engine.forget(0)

    found = {sequence: [] for sequence in range(3)}
    feeds = {}
    for turn in range(8):
        if turn < 3:  # they come one by one, the last to a place in front of another's
            sequence = (0, 2, 1)[turn]
            engine.begin(sequence, GREEDY, prompts[turn])
            feeds[sequence] = (turn, prompts[turn])
        asked = [Feed(each, feeds[each][1], 1) for each in sorted(feeds)]
        for feed, [sampled] in zip(asked, engine.step(asked, Bell()), strict=True):
            which = feeds[feed.sequence][0]
            found[which].append(sampled.token)
            feeds[feed.sequence] = (which, [sampled.token])
            if len(found[which]) == 6:
                del feeds[feed.sequence]

    assert list(found.values()) == alone


def test_prompts_are_read_in_pieces_beside_those_who_answer(engine):
    tokens, other = words(engine, PROMPTS[2]), words(engine, PROMPTS[0])
    whole, beside = answer(engine, 0, tokens, count=4), answer(engine, 1, other, count=4)
    engine.forget(0)
    engine.forget(1)

    engine.begin(0, GREEDY, tokens)
    engine.begin(1, GREEDY, other)
    said = decode(engine, 1, other, count=1)
    for piece in (tokens[:7], tokens[7:20]):
        nothing, [sampled] = engine.step([Feed(0, piece, 0), Feed(1, said[-1:], 1)], Bell())
        assert nothing == []
        said.append(sampled.token)

    assert decode(engine, 0, tokens[20:], count=4) == whole
    assert said == beside[:3]


def test_a_copy_goes_its_own_way(engine):
    tokens = words(engine, PROMPTS[2])
    alone = answer(engine, 0, tokens)
    engine.forget(0)
    engine.begin(0, GREEDY, tokens)
    engine.step([Feed(0, tokens[:-1], 0)], Bell())

    engine.copy(0, 3)
    engine.begin(3, GREEDY, tokens)

    assert decode(engine, 3, tokens[-1:], count=8) == alone
    assert decode(engine, 0, tokens[-1:], count=8) == alone


def test_what_can_be_cut_answers_as_if_it_had_not_read_it(engine):
    tokens = words(engine, PROMPTS[2])
    alone = answer(engine, 0, tokens)
    if not engine.facts.can_cut:
        assert engine.cuttable(0) == len(tokens) + 7  # nothing can be taken back
        engine.cut(0, 0)  # but all of it
        assert answer(engine, 0, tokens) == alone
        return

    assert engine.cuttable(0) == 0
    engine.cut(0, 10)
    engine.step([Feed(0, words(engine, "of no account"), 0)], Bell())
    engine.cut(0, 10)

    assert answer(engine, 0, tokens, tokens[10:]) == alone


def test_an_interrupted_prompt_is_as_if_it_had_not_begun(plain):
    tokens = words(plain, PROMPTS[2] * 4)[:250]
    alone = answer(plain, 0, tokens, count=4)
    plain.cut(0, 0)
    plain.step([Feed(0, tokens[:5], 0)], Bell())
    ringing = Bell()
    ringing.set()

    with pytest.raises(Interrupted):
        plain.step([Feed(0, tokens[5:], 1)], ringing)

    assert decode(plain, 0, tokens[5:], count=4) == alone


def test_a_state_that_cannot_be_taken_back_is_not_interrupted(folders):
    engine = opened(folders["state"])
    ringing = Bell()
    ringing.set()
    tokens = words(engine, PROMPTS[0])
    engine.begin(0, GREEDY, tokens)

    [[sampled]] = engine.step([Feed(0, tokens, 1)], ringing)

    assert [sampled.token] == reference(folders["state"], tokens, 1)
    assert ringing.beats > 0


def test_more_than_the_context_is_refused_before_anything_happens(plain):
    plain.begin(0, GREEDY, [1] * 250)
    plain.step([Feed(0, [1] * 250, 0)], Bell())

    with pytest.raises(Full):
        plain.step([Feed(0, [1] * 7, 1)], Bell())

    assert plain.step([Feed(0, [1] * 6, 0)], Bell()) == [[]]


def test_guesses_are_taken_as_far_as_they_are_right(plain):
    tokens = words(plain, PROMPTS[0])
    alone = answer(plain, 0, tokens, count=6)
    plain.forget(0)
    wrong = [*alone[:2], alone[2] ^ 1]
    plain.begin(0, GREEDY, tokens)
    plain.begin(1, GREEDY, tokens)

    found = plain.step([Feed(0, [*tokens, *wrong], 4), Feed(1, tokens, 1)], Bell())
    plain.cut(0, len(tokens) + 2)

    assert [[each.token for each in one] for one in found] == [alone[:3], alone[:1]]
    assert decode(plain, 0, alone[2:3], count=3) == alone[3:]


class Letters:
    """A matcher that allows the letters of a text in turn, then the end."""

    trouble = None

    def __init__(self, text, *, ends=False):
        self.left = list(text.encode())
        self.ends = ends

    def mask(self):
        bits = 1 << (self.left[0] if self.left else tiny_mlx.END)
        return memoryview(bits.to_bytes(36, "little")).cast("I")

    def accept(self, token):
        assert token == (self.left.pop(0) if self.left else tiny_mlx.END)
        return token

    @property
    def ended(self):
        return self.ends and not self.left


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(seed=3), Sampling(logit_bias=((5, 1e30),))])
def test_only_what_a_matcher_allows_is_chosen(plain, sampling):
    tokens = words(plain, PROMPTS[0])
    free = answer(plain, 1, tokens, count=1)

    found = answer(plain, 0, tokens, count=4, sampling=sampling, matcher=Letters("yes"))

    assert bytes(found[:3]) == b"yes"
    assert plain.is_end(found[3])
    assert free != found[:1]


def test_nothing_is_chosen_behind_the_end_of_a_constraint(plain):
    tokens = words(plain, PROMPTS[0])
    plain.begin(0, GREEDY, tokens, matcher=Letters("ok", ends=True))

    [found] = plain.step([Feed(0, [*tokens, *b"ok!"], 4)], Bell())

    assert bytes(each.token for each in found) == b"ok"


HOT = Sampling(temperature=1.5, top_p=None, min_p=None, top_k=-1, repeat_penalty=None, seed=7)


def test_a_seed_chooses_the_same_whoever_else_is_at_work(plain):
    tokens = words(plain, PROMPTS[0])
    alone = answer(plain, 0, tokens, sampling=HOT)
    others = Sampling(temperature=1.5, seed=8)
    plain.forget(0)
    plain.begin(0, others, tokens)
    plain.begin(1, HOT, tokens)
    feeds, found = {0: tokens, 1: tokens}, []
    for _ in range(8):
        pairs = plain.step([Feed(each, feeds[each], 1) for each in (0, 1)], Bell())
        feeds = {each: [sampled.token] for each, [sampled] in enumerate(pairs)}
        found += feeds[1]

    assert found == alone
    assert len(set(alone)) > 3


def test_seeds_choose_differently_and_an_instance_has_one_of_its_own(folders):
    engine = opened(folders["plain"], seed=5)
    tokens = words(engine, PROMPTS[0])
    unseeded = Sampling(temperature=1.5, repeat_penalty=None, min_p=None)
    seeded = Sampling(temperature=1.5, repeat_penalty=None, min_p=None, seed=6)

    found = [
        answer(engine, place, tokens, sampling=each)
        for place, each in enumerate((unseeded, unseeded, seeded))
    ]

    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    "more",
    [
        {"top_p": 0.0},
        {"top_k": 1},
        {"min_p": 1.0},
        {"min_p": 7.0, "xtc_probability": 3.0, "xtc_threshold": 0.5},
        {"top_k": 10_000, "top_p": 1e-9},
        {"logit_bias": ((65, 1e35),)},
        {"xtc_probability": 1.0, "xtc_threshold": 0.9, "top_k": 1},
    ],
)
def test_samplers_leave_one_token_where_they_should(plain, more):
    tokens = words(plain, PROMPTS[0])
    [best] = answer(plain, 0, tokens, count=1)
    plain.forget(0)
    hot = {"temperature": 2.0, "top_p": None, "min_p": None, "top_k": -1, "repeat_penalty": None}

    found = answer(plain, 0, tokens, count=1, sampling=Sampling(**hot | more))

    assert found == [65 if "logit_bias" in more else best]


@pytest.mark.parametrize(
    "penalty",
    [{"repeat_penalty": 1e6}, {"presence_penalty": 1e6}, {"frequency_penalty": 1e6}],
)
def test_penalties_keep_off_what_was_said(plain, penalty):
    tokens = words(plain, PROMPTS[0])
    sampling = Sampling(**{"temperature": 0, "repeat_penalty": None} | penalty)

    found = answer(plain, 0, tokens, count=12, sampling=sampling)

    assert len(set(found)) == 12
    assert not set(found) & set(tokens)


def test_probabilities_are_the_models_own_and_sum_to_one(plain):
    tokens = words(plain, PROMPTS[0])
    plain.begin(0, Sampling(logit_bias=((65, 1e30),)), tokens, logprobs=tiny_mlx.VOCABULARY)

    [[sampled]] = plain.step([Feed(0, tokens, 1)], Bell())

    assert sampled.token == sampled.chosen.chosen.token == 65
    told = [each.logprob for each in sampled.chosen.likeliest]
    assert all(one >= other for one, other in pairwise(told))
    assert math.isclose(sum(map(math.exp, told)), 1.0, rel_tol=1e-4)
    assert sampled.chosen.chosen.logprob < told[0]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("tokenizer.json", "tokenizer.json cannot be read"),
        ("config.json", "config.json"),
        ("model.safetensors", "No safetensors found"),
    ],
)
def test_a_folder_that_lacks_something_says_what(folders, missing, said):
    files = [(path.name, path) for path in folders["plain"].iterdir() if path.name != missing]

    with pytest.raises(LoadFailed, match=said) as caught:
        mlx.load(files, LoadSettings(), progress=lambda _share: True)

    assert caught.value.kind is FailureKind.CONFIG


def test_a_load_can_be_called_off(folders):
    files = [(path.name, path) for path in folders["plain"].iterdir()]

    with pytest.raises(LoadFailed) as caught:
        mlx.load(files, LoadSettings(), progress=lambda _share: False)

    assert caught.value.kind is FailureKind.TRANSIENT


def test_a_model_that_brings_code_is_not_run(tmp_path):
    folder = tiny_mlx.write(tmp_path / "model", model_file="evil.py")
    (folder / "evil.py").write_text("raise SystemExit('run')")

    with pytest.raises(LoadFailed, match="custom"):
        opened(folder)
