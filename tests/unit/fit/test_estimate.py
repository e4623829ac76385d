"""The estimator against llama.cpp's own numbers, and what it says where little is known."""

import json
from pathlib import Path

import msgspec
import pytest

from lmctl.adapters.weights.gguf import Header, Tensor
from lmctl.adapters.weights.gguf_facts import facts_of
from lmctl.base.spec import LoadSettings
from lmctl.planning.fit.cache import cache_size
from lmctl.planning.fit.compute import graph_size
from lmctl.planning.fit.estimate import ECHO_PROCESS, LLAMA_PROCESS, Confidence, estimate
from lmctl.planning.model_facts import AttentionLayers, ModelFacts, StateLayers
from tests.support.zoo import ZOO, header

MIB = 1024 * 1024
RESERVED = json.loads(Path(__file__).with_name("reserved.json").read_text())
SETTINGS = [msgspec.convert(each, LoadSettings) for each in RESERVED["settings"]]


@pytest.mark.parametrize("name", ZOO)
def test_cache_and_buffers_are_what_llama_cpp_reserves(name):
    """The cache to the last digit it prints, the buffers within -8 % and +25 %."""
    facts = facts_of(header(name), weights_size=0)
    for load, found in zip(SETTINGS, RESERVED["models"][name], strict=True):
        if found is None:
            continue  # llama.cpp does not take these settings with this model
        assert cache_size(facts, load) / MIB == pytest.approx(found["cache"], abs=0.03), load
        share = graph_size(facts, load) / MIB / found["compute"]
        assert 0.92 < share < 1.25, load


def test_a_block_with_a_window_keeps_the_window_and_a_step():
    facts = ModelFacts(architecture="x", attention=(AttentionLayers(2, 256, 256, window=512),))
    short, long = LoadSettings(context_length=512), LoadSettings(context_length=65536)
    assert cache_size(facts, long) == 2 * 1024 * cache_size(facts, short) // 1024
    assert cache_size(facts, long) == 2 * 4 * (512 + 512) * 512 * 2


def test_a_state_is_kept_per_sequence_whatever_the_context():
    facts = ModelFacts(architecture="x", states=(StateLayers(3, 1000),))
    for context in (512, 65536):
        load = LoadSettings(context_length=context, parallel=5)
        assert cache_size(facts, load) == 3 * 1000 * 4 * 5


def test_one_budget_for_all_is_smaller_than_one_for_each():
    facts = ModelFacts(architecture="x", attention=(AttentionLayers(1, 64, 64),))
    each = cache_size(facts, LoadSettings(parallel=4))
    assert cache_size(facts, LoadSettings(parallel=4, unified_kv=True)) * 4 == each


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("f32", 32),
        ("f16", 16),
        ("q8_0", 8.5),
        ("q5_1", 6),
        ("q5_0", 5.5),
        ("q4_1", 5),
        ("q4_0", 4.5),
    ],
)
def test_a_quantized_cache_is_smaller_by_its_blocks(kind, bits):
    facts = ModelFacts(architecture="x", attention=(AttentionLayers(1, 64, 64),))
    load = LoadSettings(parallel=1, kv_key_type=kind, kv_value_type=kind)
    assert cache_size(facts, load) == 4096 * 128 * bits / 8


def test_weights_that_are_laid_out_anew_count_beside_the_file():
    facts = ModelFacts(
        architecture="x", tensor_bytes=100 * MIB, matrices={"Q4_K": 60 * MIB, "Q6_K": 40 * MIB}
    )
    mapped = estimate(facts, LoadSettings())
    assert (mapped.weights, mapped.mapped) == (160 * MIB, 100 * MIB)
    copied = estimate(facts, LoadSettings(use_mmap=False))
    assert (copied.weights, copied.mapped) == (100 * MIB, 0)
    assert estimate(facts, LoadSettings(), features=()).weights == 100 * MIB
    assert estimate(facts, LoadSettings(), features=("asimddp",)).weights == 200 * MIB


def test_of_a_mere_file_the_size_is_known_and_no_more():
    found = estimate(ModelFacts(weights_size=500 * MIB), LoadSettings())
    assert (found.weights, found.cache, found.compute) == (500 * MIB, 0, 0)
    assert (found.overhead, found.confidence) == (LLAMA_PROCESS, Confidence.LOW)
    assert estimate(None, LoadSettings()) is None


def test_an_echo_takes_its_process_and_its_script():
    assert estimate(None, LoadSettings(), "echo").total == ECHO_PROCESS
    assert estimate(ModelFacts(weights_size=7), LoadSettings(), "echo").total == ECHO_PROCESS + 7


def test_a_header_of_an_unknown_architecture_still_counts():
    metadata = {
        "general.architecture": "new",
        "new.block_count": 2,
        "new.embedding_length": 64,
        "new.attention.head_count": 4,
    }
    facts = facts_of(Header(3, metadata, (Tensor("output.weight", (64, 80), 12, 0),)), 99)
    assert facts.attention == (AttentionLayers(2, 64, 64),)
    assert facts.matrices == {"Q4_K": 64 * 80 // 256 * 144}
    assert estimate(facts, LoadSettings()).total > LLAMA_PROCESS


def test_a_projector_is_read_beside_the_weights():
    facts = ModelFacts(architecture="x", tensor_bytes=100, weights_size=100)
    blind = estimate(facts, LoadSettings())
    seeing = estimate(msgspec.structs.replace(facts, projector=7), LoadSettings())
    assert seeing.total - blind.total == 7
    assert seeing.mapped == blind.mapped
