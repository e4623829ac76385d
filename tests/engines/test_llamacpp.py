"""The engine itself, in this process."""

import pytest

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.base.talk import Call, Chat, Message, Mirostat, Prompt, Sampling
from lmctl.runner import prompting
from lmctl.runner.constraining import Constraining
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.port import Bell, Feed, Interrupted, LoadFailed
from tests.engines.conftest import decode
from tests.unit.chat.test_template import NOW

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0, repeat_penalty=None)


def prepare(engine, given):
    call = Call("1", given)
    return prompting.prepare(
        engine,
        call,
        constraining=Constraining(engine),
        load=LoadSettings(),
        now=NOW,
        deadline=0.0,
    )


def complete(engine, text, sampling, *, count=12, sequence=0):
    tokens = engine.tokenize(text, add_bos=False, parse_special=True)
    engine.begin(sequence, sampling, tokens)
    found = decode(engine, sequence, tokens, count=count)
    engine.forget(sequence)
    return found


def test_the_facts_are_the_model_s(engine):
    facts = engine.facts

    assert (facts.architecture, facts.vocabulary) == ("llama", 49152)
    assert (facts.context_length, facts.slots) == (512, 2)
    assert (facts.bos, facts.eos) == ("<|im_start|>", "<|im_end|>")
    assert "add_generation_prompt" in facts.chat_template


def test_the_model_s_template_renders_and_its_first_token_is_not_doubled(engine):
    job = prepare(engine, Chat((Message("user", "Hi"),)))

    text = b"".join(engine.piece(token) for token in job.prompt).decode()
    assert "Hi" in text
    start = engine.tokenize("<|im_start|>", add_bos=False, parse_special=True)
    assert job.prompt[:1] == start
    assert job.prompt[1:2] != start


def test_a_raw_prompt_round_trips_in_any_script(engine):
    said = "naïve 你好 🙂 end"

    tokens = prepare(engine, Prompt(said)).prompt

    assert b"".join(engine.piece(token) for token in tokens).decode() == said


def test_the_model_knows_when_it_is_done(engine):
    [end] = engine.tokenize("<|im_end|>", add_bos=False, parse_special=True)
    [word] = engine.tokenize(" word", add_bos=False, parse_special=True)

    assert engine.is_end(end)
    assert not engine.is_end(word)


def test_greedy_is_the_most_likely_token_and_always_the_same(engine):
    first = complete(engine, "The capital of France is", GREEDY, count=1)

    assert engine.piece(first[0]) == b" Paris"
    assert complete(engine, "The capital of France is", GREEDY, count=1) == first


def test_the_same_seed_chooses_the_same_and_another_seed_does_not(engine):
    told = [
        complete(engine, "Once upon a time", Sampling(temperature=1.5, seed=seed))
        for seed in (1, 1, 2)
    ]

    assert told[0] == told[1] != told[2]


def test_without_a_seed_answers_differ(engine):
    told = {tuple(complete(engine, "Once", Sampling(temperature=1.5))) for _ in range(3)}

    assert len(told) > 1


def test_top_k_one_is_greedy_whatever_the_temperature(engine):
    greedy = complete(engine, "The sun is", GREEDY)

    assert complete(engine, "The sun is", Sampling(2.0, top_k=1, repeat_penalty=None)) == greedy


@pytest.mark.parametrize(
    "cut", [Sampling(1.0, top_k=0, top_p=0.0001, min_p=None), Sampling(1.0, 0, None, 0.9999)]
)
def test_top_p_and_min_p_alone_leave_only_what_is_most_likely(engine, cut):
    greedy = Sampling(temperature=0)

    assert complete(engine, "One, two,", cut, count=3) == complete(
        engine, "One, two,", greedy, count=3
    )


@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param({"typical_p": 0.2}, id="typical"),
        pytest.param({"xtc_probability": 1.0, "xtc_threshold": 0.01}, id="xtc"),
        pytest.param({"mirostat": Mirostat(1, 0.1, 1.0)}, id="mirostat 1"),
        pytest.param({"mirostat": Mirostat(2, 0.1, 1.0)}, id="mirostat 2"),
    ],
)
def test_each_rarer_sampler_changes_what_is_drawn_and_draws_it_again(engine, sampler):
    plain = {"temperature": 1.3, "seed": 5, "repeat_penalty": None}
    told = [
        complete(engine, "Once upon a time", Sampling(**settings))
        for settings in (plain, plain | sampler, plain | sampler)
    ]

    assert told[0] != told[1] == told[2]


def test_xtc_leaves_out_the_likeliest(engine):
    [likeliest] = complete(engine, "The capital of France is", GREEDY, count=1)
    xtc = Sampling(1.0, xtc_probability=1.0, xtc_threshold=0.0001, seed=1)

    assert complete(engine, "The capital of France is", xtc, count=1) != [likeliest]


def test_a_bias_forbids_and_forces_tokens(engine):
    [paris] = complete(engine, "The capital of France is", GREEDY, count=1)
    forbid = Sampling(0, repeat_penalty=None, logit_bias=((paris, float("-inf")),))
    force = Sampling(1.0, logit_bias=((100, 1e6),))

    assert complete(engine, "The capital of France is", forbid, count=1) != [paris]
    assert complete(engine, "The capital of France is", force, count=3) == [100, 100, 100]


@pytest.mark.parametrize(
    "penalty",
    [
        pytest.param({"repeat_penalty": 50.0}, id="repeat"),
        pytest.param({"presence_penalty": 100.0}, id="presence"),
        pytest.param({"frequency_penalty": 100.0}, id="frequency"),
    ],
)
def test_each_penalty_keeps_a_favourite_from_coming_twice(engine, penalty):
    favourite = ((100, 60.0),)
    free = Sampling(0, repeat_penalty=None, logit_bias=favourite)
    held = Sampling(
        **({"temperature": 0, "repeat_penalty": None, "logit_bias": favourite} | penalty)
    )

    assert complete(engine, "The sea", free, count=4) == [100] * 4
    assert complete(engine, "The sea", held, count=4).count(100) == 1


def test_penalties_look_back_into_the_prompt(engine):
    [word] = engine.tokenize(" sea", add_bos=False, parse_special=True)
    held = Sampling(0, presence_penalty=100.0, logit_bias=((word, 60.0),))

    assert word not in complete(engine, "The sea", held, count=4)


def test_a_sequence_computes_the_same_beside_another(engine):
    alone = complete(engine, "The sea is", GREEDY, count=6)
    prompts = [
        engine.tokenize(t, add_bos=False, parse_special=True) for t in ("The sea is", "Rain")
    ]
    found = [[], []]
    for sequence, tokens in enumerate(prompts):
        engine.begin(sequence, GREEDY, tokens)
    feeds = [Feed(sequence, tokens, wants=1) for sequence, tokens in enumerate(prompts)]
    for _ in range(6):
        sampled = engine.step(feeds, Bell())
        for sequence, [chosen] in enumerate(sampled):
            found[sequence].append(chosen.token)
        feeds = [Feed(sequence, found[sequence][-1:], wants=1) for sequence in (0, 1)]
    for sequence in (0, 1):
        engine.forget(sequence)

    assert found[0] == alone


def test_an_interrupted_prompt_leaves_no_trace(engine):
    expected = complete(engine, "The sea is", GREEDY, count=4)
    tokens = engine.tokenize("The sea is", add_bos=False, parse_special=True)
    engine.begin(0, GREEDY, tokens)
    ringing = Bell()
    ringing.set()

    with pytest.raises(Interrupted):
        engine.step([Feed(0, tokens, wants=1)], ringing)

    assert decode(engine, 0, tokens, count=4) == expected
    engine.forget(0)


def load(path, **settings):
    small = {"context_length": 64, "parallel": 1, "threads": 1} | settings
    return llamacpp.load([path], LoadSettings(**small), progress=lambda _share: True)


def test_a_file_that_is_no_model_is_a_mistake_in_the_configuration(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF, or so it says")

    with pytest.raises(LoadFailed, match=r"cannot load model\.gguf") as caught:
        load(path)

    assert caught.value.kind is FailureKind.CONFIG


def test_half_a_model_is_refused_in_llama_cpp_s_own_words(gguf, tmp_path):
    path = tmp_path / "half.gguf"
    with gguf.open("rb") as file:
        path.write_bytes(file.read(8_000_000))

    with pytest.raises(LoadFailed, match="corrupted or incomplete") as caught:
        load(path)

    assert caught.value.kind is FailureKind.CONFIG


def test_a_context_beyond_memory_is_a_lack_of_capacity(gguf):
    with pytest.raises(LoadFailed) as caught:
        load(gguf, context_length=2**22)

    assert caught.value.kind is FailureKind.CAPACITY
    assert "contextLength" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"kv_key_type": "q3"}, "'q3' is no type of KV cache", id="unknown type"),
        pytest.param(
            {"kv_value_type": "q8_0", "flash_attention": False},
            "only with flash",
            id="V needs flash",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(gguf, settings, message):
    with pytest.raises(LoadFailed, match=message) as caught:
        load(gguf, **settings)

    assert caught.value.kind is FailureKind.CONFIG
    assert caught.value.hint


def test_a_load_that_is_called_off_stops(gguf):
    with pytest.raises(LoadFailed, match="called off") as caught:
        llamacpp.load([gguf], LoadSettings(), progress=lambda share: share < 0.5)

    assert caught.value.kind is FailureKind.TRANSIENT


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"unified_kv": True, "parallel": 2}, id="unified"),
        pytest.param({"kv_key_type": "q8_0", "kv_value_type": "q8_0"}, id="quantised"),
        pytest.param({"flash_attention": True}, id="flash on"),
        pytest.param({"flash_attention": False, "use_mmap": False}, id="flash off, no mmap"),
        pytest.param(
            {"threads": 1, "batch_size": 32, "physical_batch_size": 16}, id="small batches"
        ),
        pytest.param({"rope_frequency_base": 100_000.0, "rope_frequency_scale": 1.0}, id="rope"),
    ],
)
def test_the_load_settings_lead_to_the_same_capital(gguf, settings):
    engine = load(gguf, **settings)

    [token] = complete(engine, "The capital of France is", GREEDY, count=1)

    assert engine.piece(token) == b" Paris"
    assert engine.facts.context_length == 64
    engine.close()


def test_a_rope_that_does_not_fit_is_heard(gguf):
    """Proof that the setting arrives: with a wrong base the model talks nonsense."""
    engine = load(gguf, rope_frequency_base=10.0)

    assert (
        engine.piece(complete(engine, "The capital of France is", GREEDY, count=1)[0]) != b" Paris"
    )
    engine.close()


def test_a_broken_step_is_an_engine_failure(engine):
    engine.begin(0, GREEDY, [1])

    with pytest.raises(EngineFailed):
        engine.step([Feed(0, [10**6], wants=1)], Bell())
    engine.forget(0)
