"""What clients are told of models follows from what is wanted and seen."""

import dataclasses

import pytest
from msgspec.structs import replace

from lmctl.planning.known_models import OtherModel, known_models
from lmctl.planning.model_facts import ModelFacts, Widths
from tests.support.worlds import desired, observed, seen, stored, want

WANTED = want()
GOAL = desired(WANTED)
WORLD = observed(seen(WANTED), weights=(stored(WANTED.weights),))


def test_a_model_that_is_here_is_known_with_the_instances_it_is_loaded_as():
    facts = ModelFacts(
        format="gguf", architecture="llama", context_length=8192, parameters=494_000_000
    )
    world = replace(WORLD, facts={WANTED.weights.key: replace(facts, tool_use=True)})
    [model] = known_models(GOAL, world, {}).models
    assert (model.key, model.parameters, model.context_length) == ("acme/w1", "0.5B", 8192)
    assert (model.format, model.tool_use) == ("gguf", True)
    [instance] = model.instances
    assert (instance.loaded, instance.context_length) == (True, 4096)
    assert instance.runtime_version == "0.3.36"


def test_the_experts_of_a_loaded_model_are_those_it_was_loaded_with():
    facts = ModelFacts(architecture="llama", widths=Widths(experts=8, experts_used=2))
    asked = dataclasses.replace(WANTED, load=replace(WANTED.load, experts=3))
    for wish, found in ((WANTED, 2), (asked, 3)):
        world = observed(seen(wish), weights=(stored(wish.weights),))
        world = replace(world, facts={wish.weights.key: facts})
        [model] = known_models(desired(wish), world, {}).models
        assert [each.experts for each in model.instances] == [found]
    assert [each.experts for each in known_models(GOAL, WORLD, {}).models[0].instances] == [0]


def test_what_is_not_stored_yet_is_not_known():
    assert known_models(GOAL, observed(), {}).models == ()


def test_models_no_manifest_names_are_known_too_and_all_are_sorted():
    facts = ModelFacts(architecture="nomic-bert", quantization="F16", embeds=True)
    found = known_models(
        GOAL,
        WORLD,
        {"aa/e": OtherModel("e.gguf", facts), "zz/x@q4_k_m": OtherModel("x.gguf", None)},
    )
    assert [each.key for each in found.models] == ["aa/e", "acme/w1", "zz/x@q4_k_m"]
    assert (found.models[0].type, found.models[0].bits) == ("embedding", 16)
    assert (found.models[0].path, found.models[1].path) == ("aa/e/e.gguf", "acme/w1/model.gguf")
    assert (found.models[2].quantization, found.models[2].bits) == ("Q4_K_M", 4)


@pytest.mark.parametrize(
    ("number", "words"),
    [(7_600_000_000, "7.6B"), (8_000_000_000, "8B"), (135_000_000, "135M"), (31e9, "31B"), (9, "")],
)
def test_parameters_are_told_as_people_say_them(number, words):
    facts = ModelFacts(architecture="llama", parameters=int(number))
    assert (
        known_models(GOAL, WORLD, {"aa/a": OtherModel("a.gguf", facts)}).models[0].parameters
        == words
    )
