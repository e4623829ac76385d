"""Weights in MLX's format: what names say of them, which runtime loads them, what it passes over."""

from pathlib import Path

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.manifests.mlx_support import OWN, PASSED_OVER
from lmctl.manifests.not_yet import HONOURED
from lmctl.manifests.settings_keys import by_key
from lmctl.planning.fit.estimate import Confidence, estimate
from lmctl.planning.gguf_names import pick
from lmctl.planning.load_settings import load_settings
from lmctl.planning.mlx_names import mlx_folder, says_mlx, template_of
from lmctl.planning.model_facts import AttentionLayers, ModelFacts, Widths
from lmctl.planning.resolve import HostFacts
from lmctl.planning.weights_values import FileSource, Weights
from tests.unit.planning.test_resolve import instance, resolved

FOLDER = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
OTHERS = ("README.md", "model.safetensors.index.json", "original/model.safetensors", "vocab.json")


def test_a_folder_is_its_weights_and_what_says_what_they_are():
    found = mlx_folder((*FOLDER, *OTHERS, "chat_template.jinja"))

    assert found[0] == "model.safetensors"
    assert set(found) == {*FOLDER, "chat_template.jinja"}
    assert mlx_folder(("model.safetensors", *OTHERS)) == ()


def test_shards_come_whole_and_missing_ones_are_named():
    found = mlx_folder(("config.json", "model-00002-of-00003.safetensors"))

    assert found == (*(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)), "config.json")


@pytest.mark.parametrize(
    ("asked", "main"),
    [
        (None, "a-Q4_0.gguf"),
        ("*.safetensors", "model.safetensors"),
        ("q/model*", "q/model.safetensors"),
    ],
)
def test_what_a_repository_is_asked_for_is_taken(asked, main):
    names = (*FOLDER, "a-Q4_0.gguf", "q/config.json", "q/model.safetensors")

    assert pick(names, asked)[0] == main
    assert pick(FOLDER, None) == mlx_folder(FOLDER)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mlx-community/x", True),
        ("acme/x-4bit-MLX", True),
        ("acme/mlxy", False),
        ("acme/x", False),
    ],
)
def test_names_say_that_they_are_mlx(name, says):
    assert says_mlx(name) is says


def test_templates_have_an_order():
    several = {"chat_template": [{"name": "default", "template": "d"}]}

    assert template_of("j", {"chat_template": "b"}, several) == "j"
    assert template_of(None, {"chat_template": "b"}, several) == "b"
    assert template_of(None, None, several) == "d"
    assert template_of(None, None, {}) is None


def model(*, source, more=""):
    return f"model: acme/w\nbase: [{{key: acme/w, sources: [{source}]}}]\n{more}"


def hub(user, repo, more):
    return f"{{type: huggingface, user: {user}, repo: {repo}{more}}}"


@pytest.mark.parametrize(
    ("source", "more", "runtime"),
    [
        (hub("acme", "x", ', file: "*.safetensors"'), "", "mlx"),
        (hub("mlx-community", "x", ""), "", "mlx"),
        (hub("mlx-community", "x", ", file: x.gguf"), "", "llama.cpp"),
        (hub("acme", "x", ""), "", "llama.cpp"),
        (hub("acme", "x", ""), "metadataOverrides: {compatibilityTypes: [safetensors]}", "mlx"),
        (
            hub("acme", "mlx", ""),
            "metadataOverrides: {compatibilityTypes: [gguf, safetensors]}",
            "llama.cpp",
        ),
        ("{type: file, path: /models/x/model.safetensors}", "", "mlx"),
        ("{type: file, path: /models/x-4bit-mlx}", "", "mlx"),
    ],
)
def test_the_runtime_follows_the_format(source, more, runtime):
    manifests = model(source=source, more=more), instance("{model: acme/w}")
    (wanted,) = resolved(*manifests).desired.instances

    assert (wanted.runtime, wanted.engine) == (runtime, runtime)


def test_weights_put_there_by_hand_are_loaded_with_mlx():
    mine = Weights("me/mine", (FileSource("/models/me/mine/model.safetensors"),))
    host = HostFacts(sockets="/run/l", local_models={"me/mine": mine})

    (wanted,) = resolved(instance("{model: me/mine}"), host=host).desired.instances

    assert wanted.engine == "mlx"


@pytest.mark.parametrize(
    ("runtime", "path", "told"),
    [
        ("mlx", "/x.gguf", "`mlx` loads mlx, and `acme/w` is gguf"),
        ("llama.cpp", "/model.safetensors", "`llama.cpp` loads gguf, and `acme/w` is mlx"),
    ],
)
def test_a_runtime_that_cannot_load_the_format_is_refused(runtime, path, told):
    weights = model(source=f"{{type: file, path: {path}}}")
    found = resolved(weights, instance(f"{{model: acme/w, runtime: {runtime}}}"))

    assert found.fatal
    assert any(told in each.message for each in found.diagnostics)


def test_what_mlx_passes_over_is_told_where_it_stands():
    weights = model(source="{type: file, path: /m/model.safetensors}")
    spec = "{model: acme/w, load: {contextLength: 512, tryMmap: false, cpuThreadPoolSize: 3}}"

    found = resolved(weights, instance(spec))

    assert not found.fatal
    told = [each.message for each in found.diagnostics]
    assert [each.split("`")[1] for each in told] == ["load.tryMmap", "load.cpuThreadPoolSize"]
    assert "no effect with MLX: weights are always in memory" in told[0]


def test_llama_cpp_is_told_nothing_of_mlx():
    weights = model(source="{type: file, path: /m/x.gguf}")

    found = resolved(weights, instance("{model: acme/w, load: {tryMmap: false}}"))

    assert found.diagnostics == ()


def test_llama_cpp_is_told_what_only_mlx_acts_on():
    weights = model(source="{type: file, path: /m/x.gguf}")
    spec = "{model: acme/w, load: {mlxKvCacheQuantization: {enabled: true, bits: 4}}}"

    found = resolved(weights, instance(spec))

    [told] = found.diagnostics
    assert "has no effect with llama.cpp" in told.message
    assert found.desired.instances[0].load.kv_quantized == (4, 64, 5000)


def test_the_page_on_mlx_names_all_it_passes_over_and_why():
    page = (Path(__file__).parents[3] / "docs" / "tasks" / "mlx.md").read_text()

    for key, why in PASSED_OVER.items():
        assert f"`{by_key(key).name}`" in page, key
        assert why in page, key


def test_of_each_load_setting_it_is_known_what_mlx_does_with_it():
    acted_on = {key for key in HONOURED - PASSED_OVER.keys() if by_key(key).section == "load"}

    assert acted_on == {
        "llm.load.autoFitMinContextLength",
        "llm.load.contextLength",
        "llm.load.llama.autoFit",
        "llm.load.llama.reasoningBudgetMessage",
        "llm.load.mlx.autoFit",
        "llm.load.llama.physicalBatchSize",
        "llm.load.mlx.kvCacheQuantization",
        "llm.load.numParallelSessions",
        "llm.load.promptTemplate",
        "llm.load.seed",
        *(
            f"llm.load.llama.speculativeDecoding.{tail}"
            for tail in (
                "draftMaxTokens",
                "draftMinContinueProbability",
                "draftMinTokens",
                "draftModel",
                "draftSimple",
            )
        ),
    }


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ({}, False),
        ({"mlx": True}, True),
        ({"llama": True}, True),
        ({"mlx": True, "llama": False}, False),
    ],
)
def test_to_be_fitted_can_be_asked_for_by_either_key(given, fits):
    values = {f"llm.load.{engine}.autoFit": asked for engine, asked in given.items()}

    assert load_settings(values).fit is fits


def test_only_what_some_engine_acts_on_is_passed_over():
    assert PASSED_OVER.keys() | OWN.keys() <= HONOURED


FACTS = ModelFacts(
    format="mlx",
    architecture="llama",
    quantization="4bit",
    tensor_bytes=100_000_000,
    vocabulary=49_152,
    attention=(AttentionLayers(30, 192, 192),),
    widths=Widths(embedding=576, query=576, key=192, value=192, heads=9, feed_forward=1536),
)


def test_memory_is_foreseen_from_rows_for_every_prediction():
    few, many = (
        estimate(FACTS, LoadSettings(context_length=1024, parallel=each), "mlx") for each in (1, 4)
    )

    assert many.cache == 4 * few.cache == 4 * 1024 * 30 * 384 * 2
    assert few.weights == 100_000_000
    assert (few.mapped, few.confidence) == (0, Confidence.HIGH)


@pytest.mark.parametrize(("begin", "numbers"), [(0, 1024 * 1.125), (800, 800 * 2)])
def test_quantized_rows_count_what_they_hold_and_what_they_held_before(begin, numbers):
    found = estimate(FACTS, LoadSettings(1024, 1, kv_quantized=(8, 32, begin)), "mlx")

    assert found.cache == 30 * 384 * numbers


def test_without_a_header_only_the_size_is_known():
    found = estimate(ModelFacts(weights_size=5), LoadSettings(), "mlx")

    assert (found.weights, found.confidence) == (5, Confidence.LOW)
