"""How many experts a token goes to, where they lie, and how a model is shared out over GPUs."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from lmctl.base.spec import FailureKind, GpuSplit, LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.port import Bell, Feed, LoadFailed
from tests.support import tiny_llama

GREEDY = Sampling(temperature=0, repeat_penalty=None)
TEXT = list(b"the sea is far away and blue")
SMALL = {"context_length": 256, "parallel": 1, "threads": 1}


@pytest.fixture(scope="module")
def experts(tmp_path_factory) -> Path:
    return tiny_llama.write_experts(tmp_path_factory.mktemp("moe") / "m.gguf")


@pytest.fixture(scope="module")
def dense(tmp_path_factory) -> Path:
    return tiny_llama.write(tmp_path_factory.mktemp("dense") / "m.gguf")


def logits(path: Path, **settings) -> np.ndarray:
    """Return what a model makes of the end of a text."""
    from llama_cpp import llama_get_logits_ith

    from lmctl.runner.llamacpp import engine as llamacpp

    load = LoadSettings(**SMALL, **settings)
    engine = llamacpp.load([path], load, progress=lambda _share: True)
    try:
        engine.begin(0, GREEDY, TEXT)
        engine.step([Feed(0, TEXT, wants=1)], Bell())
        pointer = llama_get_logits_ith(engine._context, -1)
        return np.ctypeslib.as_array(pointer, (engine.facts.vocabulary,)).copy()
    finally:
        engine.close()


def test_each_token_goes_to_as_many_experts_as_are_asked_for(experts):
    usual = logits(experts)

    assert np.array_equal(logits(experts, experts=tiny_llama.EXPERTS_USED), usual)
    assert not np.allclose(logits(experts, experts=1), usual)
    assert not np.allclose(logits(experts, experts=tiny_llama.EXPERTS), usual)


def test_more_experts_than_there_are_is_told(experts):
    with pytest.raises(LoadFailed, match="cannot go to 5 experts: the model has 4") as told:
        logits(experts, experts=5)
    assert told.value.kind is FailureKind.CONFIG


def test_a_model_without_experts_takes_no_notice(dense):
    assert np.array_equal(logits(dense, experts=2), logits(dense))


def test_what_is_for_gpus_changes_nothing_where_there_is_none(experts):
    from lmctl.runner.llamacpp import placing

    if placing.gpus():
        pytest.skip("this build of llama.cpp uses a GPU")
    asked = {"cpu_experts": 1.0, "offload_ratio": 0.5, "gpus": GpuSplit("tensor", disabled=(1,))}
    assert np.array_equal(logits(experts, **asked), logits(experts))


def test_experts_that_stay_with_the_processor_are_found_by_name(experts):
    """llama.cpp reads the overrides; on a machine without a GPU they change where nothing is."""
    import llama_cpp as library

    from lmctl.runner.llamacpp import placing

    overrides = placing.experts_on_processor(1.0, layers=2)
    params = library.llama_model_default_params()
    params.tensor_buft_overrides = ctypes.cast(overrides, ctypes.c_void_p)
    model = library.llama_model_load_from_file(str(experts).encode(), params)

    assert overrides[0].pattern == rb"blk\.(0|1)\.ffn_(up|down|gate|gate_up)_(ch|)exps"
    assert model
    library.llama_model_free(model)


def test_direct_reading_loads_the_same_model(dense):
    assert np.array_equal(logits(dense, direct_io=True), logits(dense))


@pytest.mark.parametrize(
    ("wish", "gpus", "shares"),
    [
        pytest.param(GpuSplit(), (0, 1, 2), (1.0, 1.0, 1.0), id="evenly"),
        pytest.param(GpuSplit(disabled=(1,)), (0, 2), (1.0, 1.0), id="without one"),
        pytest.param(GpuSplit("priorityOrder", priority=(2,)), (2, 0, 1), (), id="a main one"),
        pytest.param(GpuSplit("tensor"), (0, 1, 2), (), id="every layer cut"),
        pytest.param(
            GpuSplit("custom", disabled=(0,), ratio=(5, 3, 1)), (1, 2), (3.0, 1.0), id="by shares"
        ),
    ],
)
def test_a_model_is_shared_out_as_wished(wish, gpus, shares):
    from lmctl.runner.llamacpp import placing

    found = placing.split(wish, 3)
    assert (found.gpus, found.shares) == (gpus, shares)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (GpuSplit(disabled=(3,)), "no GPU 3: the engine lists 2"),
        (GpuSplit("custom", ratio=(1,)), "`customRatio` has 1 shares for 2 GPUs"),
    ],
)
def test_a_split_over_gpus_that_are_not_there_is_told(wish, words):
    from lmctl.runner.llamacpp import placing

    with pytest.raises(LoadFailed, match=words):
        placing.split(wish, 2)
