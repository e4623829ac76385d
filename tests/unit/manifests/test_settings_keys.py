"""The table of settings: lookups, checks, and the two spellings becoming one."""

import pytest

from lmctl.base.changes import ChangeClass
from lmctl.manifests import settings_keys
from lmctl.manifests.rules import Kind, Rule, show
from lmctl.manifests.settings_keys import SETTINGS, Domain, Section, flatten, validate


def test_every_key_and_every_name_is_there_once():
    keys = [each.key for each in SETTINGS]
    names = [(each.section, each.domain, each.name) for each in SETTINGS]

    assert len(keys) == len(set(keys)) == 90
    assert len(names) == len(set(names))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: each.key)
def test_every_default_is_a_value_its_own_rule_accepts(setting):
    if setting.default is None:
        assert setting.checkbox or setting.rule.kind is Kind.OBJECT
    else:
        assert setting.check(setting.default) == setting.default


def test_load_needs_a_new_process_and_prediction_does_not():
    assert settings_keys.by_key("llm.load.contextLength").change is ChangeClass.RELOAD
    assert settings_keys.by_key("llm.prediction.temperature").change is ChangeClass.HOT
    assert settings_keys.by_key("retrieval.limit").change is ChangeClass.HOT


def test_settings_are_found_by_the_sdks_name_and_by_the_short_one():
    parallel = settings_keys.by_name("parallel", Section.LOAD)

    assert parallel.key == "llm.load.numParallelSessions"
    assert settings_keys.by_name("maxParallelPredictions", Section.LOAD) is parallel
    assert settings_keys.by_name("gpu.ratio", Section.LOAD).wire is None
    assert settings_keys.by_name("maxTokens", Section.OPERATION).wire == "max_tokens"
    assert settings_keys.by_name("temperature", Section.LOAD) is None
    assert settings_keys.by_key("llm.nothing") is None


def test_settings_without_an_sdk_name_have_the_keys_tail():
    cache = settings_keys.by_name("cpuThreadPoolSize", Section.LOAD)

    assert cache.key == "llm.load.llama.cpuThreadPoolSize"
    assert not cache.named


def test_names_flatten_to_full_keys_with_gpu_nested():
    assert flatten(
        {"contextLength": 4096, "parallel": 2, "seed": False, "gpu": {"ratio": "max"}}, Section.LOAD
    ) == {
        "llm.load.contextLength": 4096,
        "llm.load.numParallelSessions": 2,
        "llm.load.seed": None,
        "llm.load.llama.acceleration.offloadRatio": "max",
    }


def test_the_gpu_fields_of_the_sdk_become_the_one_key_they_are_stored_under():
    found = flatten(
        {"gpu": {"splitStrategy": "favorMainGpu", "mainGpu": 1, "disabledGpus": [0]}}, Section.LOAD
    )

    assert found == {
        "load.gpuSplitConfig": {"strategy": "priorityOrder", "priority": [1], "disabledGpus": [0]}
    }


def test_an_embedding_model_has_keys_of_its_own():
    found = flatten({"contextLength": 512}, Section.LOAD, domain=Domain.EMBEDDING)

    assert found == {"embedding.load.contextLength": 512}


def test_flatten_raises_for_the_first_wrong_setting():
    with pytest.raises(ValueError, match=r"^`gpu.ratio`: expected a number from 0 to 1"):
        flatten({"gpu": {"ratio": 2}}, Section.LOAD)


@pytest.mark.parametrize(
    ("key", "given", "normal"),
    [
        ("llm.prediction.temperature", 1.0, 1),
        ("llm.prediction.temperature", 0.25, 0.25),
        ("llm.prediction.topPSampling", {"checked": True, "value": 0.5}, 0.5),
        ("llm.prediction.topPSampling", {"checked": False, "value": 0.5}, None),
        ("llm.prediction.topPSampling", {"checked": False}, None),
        ("llm.prediction.topPSampling", False, None),
        ("llm.prediction.topPSampling", None, None),
        ("llm.prediction.stopStrings", ["a"], ["a"]),
        ("llm.prediction.tools", {"type": "toolArray", "tools": [1]},
         {"type": "toolArray", "tools": [1]}),
        ("llm.prediction.llama.logitBias", [[1, "-inf"], [2, 3.0]], [[1, "-inf"], [2, 3]]),
        ("llm.load.llama.acceleration.offloadRatio", 0.5, 0.5),
        ("llm.load.mlx.kvCacheQuantization", {"bits": 4}, {"bits": 4}),
        ("envVars", {"HSA_OVERRIDE_GFX_VERSION": "11"}, {"HSA_OVERRIDE_GFX_VERSION": "11"}),
        ("ext.virtualModel.customField.org.name.thinking", {"any": "thing"}, {"any": "thing"}),
    ],
)  # fmt: skip
def test_a_value_has_one_normal_form(key, given, normal):
    assert validate(key, given) == normal


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [
        ("llm.load.contextLength", 0, "expected a whole number of at least 1, found `0`"),
        ("llm.load.contextLength", 1.5, "found `1.5`"),
        ("llm.load.contextLength", True, "found `true`"),
        ("llm.load.contextLength", float("inf"), "found `inf`"),
        ("llm.load.mlx.kvCacheQuantization", {"bits": 5}, "`bits`: expected one of `8`, `6`"),
        ("llm.load.mlx.kvCacheQuantization", 8, "expected a mapping of `enabled`"),
        ("llm.prediction.stopStrings", "x", "expected a list of text, found the text `x`"),
        ("llm.prediction.stopStrings", [1], "expected text, found `1`"),
        ("llm.prediction.systemPrompt", ["x"], "expected text, found a list"),
        ("llm.prediction.contextPrefill", {}, "expected a list, found a mapping"),
        ("llm.prediction.toolNaming", "camelcase", "did you mean `camelCase`?"),
        ("llm.prediction.llama.logitBias", [3], "found `3` in it"),
        ("llm.prediction.llama.frequencyPenalty", "x", "expected a number, or `false`"),
        ("llm.prediction.seed", {"checked": True}, "`value` is missing"),
        ("envVars", {"A": 1}, "expected a mapping of texts, found a mapping"),
        ("llm.load.contextLenght", 1, "did you mean `llm.load.contextLength`?"),
        ("llm.load.llama.tryMmap", "yes", "expected true or false, found the text `yes`"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(key, given, words):
    with pytest.raises(ValueError) as caught:
        validate(key, given)
    assert words in str(caught.value)


def test_bounds_are_told_in_words():
    assert Rule(Kind.NUMBER, high=3).expectation == "a number of at most 3"
    assert Rule(Kind.INTEGER, 1, 5).expectation == "a whole number from 1 to 5"
    assert Rule(Kind.ANY).expectation == "any value"
    assert show(object).startswith("`<class")
