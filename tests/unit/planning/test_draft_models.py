"""A model that is loaded beside another, to guess tokens for it: resolved, planned and counted."""

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.planning.fit.estimate import LLAMA_PROCESS, estimate
from lmctl.planning.fit.need import need
from lmctl.planning.load_settings import load_settings
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import FetchWeights, LoadInstance
from lmctl.planning.planner import make_plan
from lmctl.planning.resolve import HostFacts
from lmctl.planning.weights_values import FileSource, Weights
from tests.unit.planning.test_resolve import MINE, MODEL, instance, resolved

DRAFT = "llm.load.llama.speculativeDecoding."
SMALL = Weights("me/small", (FileSource("/models/me/small/small.gguf"),))
BOTH = HostFacts(sockets="/run/l", local_models={"me/mine": MINE, "me/small": SMALL})
PAIR = instance("{model: me/mine, load: {speculativeDraftModel: me/small}}")


@pytest.mark.parametrize(
    ("given", "drafter"),
    [
        ({}, ""),
        ({"draftModel": "me/small"}, "me/small"),
        ({"draftSimple": True, "draftModel": "me/small"}, "me/small"),
        ({"draftSimple": True}, "prompt-lookup"),
        ({"draftModel": "prompt-lookup"}, "prompt-lookup"),
        ({"draftSimple": False, "draftModel": "me/small"}, ""),
    ],
)
def test_what_guesses_is_the_named_model_or_the_text_itself(given, drafter):
    assert load_settings({DRAFT + key: value for key, value in given.items()}).drafter == drafter


def test_its_weights_are_wanted_and_part_of_what_runs():
    found = resolved(PAIR, host=BOTH).desired
    (alone,) = resolved(instance("{model: me/mine}"), host=BOTH).desired.instances

    assert found.instances[0].all_weights == (MINE, SMALL)
    assert set(found.weights) == {MINE, SMALL}
    assert found.instances[0].spec_digest != alone.spec_digest


def test_other_weights_of_the_draft_model_are_another_spec():
    moved = Weights("me/small", (FileSource("/models/me/small/newer.gguf"),))
    host = HostFacts(sockets="/run/l", local_models={"me/mine": MINE, "me/small": moved})

    one, two = (resolved(PAIR, host=each).desired.instances[0] for each in (BOTH, host))

    assert one.spec_digest != two.spec_digest
    assert one.socket != two.socket


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("{model: me/mine, load: {speculativeDraftModel: me/smal}}", "no model `me/smal`"),
        ("{model: me/mine, operation: {draftModel: me/small}}", "no draft model `me/small`"),
    ],
)
def test_one_that_is_not_there_is_told_at_its_place(spec, told):
    found = resolved(instance(spec), host=BOTH)

    assert found.fatal
    assert told in found.diagnostics[0].message
    assert found.diagnostics[0].place.line == 4


def test_a_load_waits_for_the_weights_of_both():
    found = resolved(MODEL, PAIR, host=BOTH).desired

    plan = make_plan(found, ObservedState())
    (load,) = [each for each in plan.steps if isinstance(each.step, LoadInstance)]

    assert {FetchWeights(MINE).key, FetchWeights(SMALL).key} <= set(load.after)


def test_the_estimate_counts_both_in_one_process():
    facts = ModelFacts(weights_size=1000, vocabulary=100, architecture="llama")
    load = LoadSettings(drafter="me/small")
    plain = LoadSettings()

    both = estimate(facts, load, draft=facts)
    alone = estimate(facts, plain)

    assert both.weights == 2 * alone.weights
    assert both.overhead == 2 * alone.overhead - LLAMA_PROCESS
    assert both.compute > 2 * alone.compute  # and room for what is checked


def test_nothing_is_known_of_it_before_both_are():
    (pair,) = resolved(PAIR, host=BOTH).desired.instances
    facts = ModelFacts(weights_size=1000)

    assert need(pair, ObservedState(facts={MINE.key: facts})) is None
    assert need(pair, ObservedState(facts={MINE.key: facts, SMALL.key: facts})) is not None
