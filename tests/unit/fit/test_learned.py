"""Measured peaks correct estimates: exactly for the same spec, by their excess for its like."""

import msgspec
import pytest

from lmctl.base.spec import LoadSettings, Phase
from lmctl.planning.fit.estimate import Confidence, estimate
from lmctl.planning.fit.learned import MemoryPeak, deciding, worth_keeping
from lmctl.planning.fit.measured import measured
from lmctl.planning.fit.need import candidate, estimated, need, needed, tenant
from lmctl.planning.fit.placing import surge_fits, used
from lmctl.planning.model_facts import AttentionLayers, ModelFacts, Widths
from tests.support.worlds import FACTS, MIB, observed, seen, stored, want

MODEL = ModelFacts(
    architecture="x",
    weights_size=500 * MIB,
    tensor_bytes=500 * MIB,
    attention=(AttentionLayers(24, 512, 512),),
    widths=Widths(embedding=896, query=896, key=128, value=128, heads=14, feed_forward=4864),
)
LOAD = LoadSettings(context_length=4096, parallel=2)
LONG = LoadSettings(context_length=16384, parallel=2)
WEIGHTS = ("a" * 64,)


def peak(load: LoadSettings, size: int, *, step: int = 512) -> MemoryPeak:
    return MemoryPeak(WEIGHTS, deciding(load), "1", size, step)


def test_the_same_settings_give_the_measured_peak_back_to_the_byte():
    plain = estimate(MODEL, LOAD)
    for size in (plain.total - 30 * MIB, plain.total, plain.total + 77 * MIB):
        found = estimated(MODEL, LOAD, "llama.cpp", known=[peak(LOAD, size)])
        assert (found.total, found.confidence) == (size, Confidence.MEASURED)


def test_other_settings_of_the_same_weights_learn_the_excess():
    more = estimate(MODEL, LOAD).total + 77 * MIB
    found = estimated(MODEL, LONG, "llama.cpp", known=[peak(LOAD, more)])
    assert found.total == estimate(MODEL, LONG).total + 77 * MIB
    assert (found.learned, found.confidence) == (77 * MIB, Confidence.HIGH)


def test_of_several_measurements_the_careful_one_counts_unless_one_is_the_same():
    plain = estimate(MODEL, LOAD).total
    known = [
        peak(LOAD, plain + 5 * MIB),
        peak(LoadSettings(parallel=1), estimate(MODEL, LoadSettings(parallel=1)).total + 9 * MIB),
    ]
    assert estimated(MODEL, LONG, "llama.cpp", known=known).learned == 9 * MIB
    assert estimated(MODEL, LOAD, "llama.cpp", known=known).learned == 5 * MIB


def test_a_runner_that_only_answered_short_questions_proves_nothing_about_long_ones():
    """Its buffers were hardly touched: what it lacks is still to come."""
    short = msgspec.structs.replace(LOAD, physical_batch_size=8)
    found = estimated(
        MODEL, LOAD, "llama.cpp", known=[peak(LOAD, estimate(MODEL, short).total, step=8)]
    )
    assert found.total == estimate(MODEL, LOAD).total
    assert found.confidence is Confidence.HIGH


def test_a_wild_measurement_never_makes_weights_or_cache_vanish():
    plain = estimate(MODEL, LOAD)
    found = estimated(MODEL, LOAD, "llama.cpp", known=[peak(LOAD, 1)])
    assert found.total == plain.weights + plain.cache


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": 1}, True),
        ({"chat_template": "x"}, True),
        ({"threads": 2}, True),
        ({"context_length": 1}, False),
        ({"parallel": 9}, False),
        ({"kv_key_type": "q8_0"}, False),
        ({"use_mmap": False}, False),
    ],
)
def test_only_settings_that_decide_about_memory_tell_specs_apart(change, same):
    assert (deciding(msgspec.structs.replace(LOAD, **change)) == deciding(LOAD)) is same


def test_a_measurement_is_kept_when_it_says_more():
    known = [peak(LOAD, 100, step=64)]
    assert worth_keeping(peak(LOAD, 101, step=64), known)
    assert worth_keeping(peak(LOAD, 100, step=65), known)
    assert not worth_keeping(peak(LOAD, 99, step=64), known)
    assert worth_keeping(peak(LONG, 1, step=1), known)


CHAT = want("chat")


def world(*runners, peaks=()):
    made = observed(*runners, weights=(stored(CHAT.weights),))
    return msgspec.structs.replace(made, peaks=peaks)


def loaded(size: int, step: int = 512):
    runner = seen(CHAT)
    return msgspec.structs.replace(
        runner, engine="llama.cpp", memory_peak=size, widest_step=step, memory=size - MIB
    )


def test_a_loaded_runner_that_worked_is_a_measurement_and_is_learned_from():
    size = 777 * MIB
    (found,) = measured(world(loaded(size)))
    assert (found.peak, found.step, found.settings) == (size, 512, deciding(CHAT.load))
    assert need(CHAT, world(peaks=(found,))).total == size
    assert needed(CHAT, world(peaks=(found,))) == size


@pytest.mark.parametrize(
    "runner",
    [
        pytest.param(loaded(777, step=0), id="computed nothing yet"),
        pytest.param(msgspec.structs.replace(loaded(777), phase=Phase.LOADING), id="loading"),
        pytest.param(msgspec.structs.replace(loaded(777), weights=()), id="no weights"),
        pytest.param(msgspec.structs.replace(loaded(777), engine="other"), id="unknown build"),
    ],
)
def test_what_proves_nothing_is_no_measurement(runner):
    assert list(measured(world(runner))) == []


def test_weights_to_be_fetched_count_by_their_size_alone():
    absent = observed(weights=())
    assert need(CHAT, absent) is None
    sized = msgspec.structs.replace(absent, downloads={CHAT.weights.key: 98 * MIB})
    found = need(CHAT, sized)
    assert (found.weights, found.cache, found.confidence) == (98 * MIB, 0, Confidence.LOW)
    assert needed(CHAT, sized) is None, "a size that is certainly too small is not told"
    assert candidate(CHAT, sized).need == found.total


def test_a_runner_counts_with_what_it_will_still_grow_to():
    plain = estimate(FACTS, CHAT.load)
    fresh, grown = loaded(300 * MIB, step=0), loaded(plain.total + MIB)
    assert tenant(fresh, world(fresh)).need == plain.total
    assert tenant(grown, world(grown)).need == plain.total + MIB


def test_a_reload_of_the_same_weights_shares_their_pages():
    from lmctl.planning.fit.budget import Budget

    there = world(loaded(300 * MIB))
    (running,) = (tenant(each, there) for each in there.runners)
    new = candidate(CHAT, there)
    assert new.weights == running.weights
    assert new.mapped == FACTS.tensor_bytes
    room = Budget(used([running, new]), "balanced", "just enough")
    assert surge_fits(new, [running], room).fits
    assert surge_fits(new, [running], room).need == new.need - new.mapped
