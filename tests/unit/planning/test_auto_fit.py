"""Auto-fit: what is too large for the memory there is gets less context, and then stays as it is."""

from dataclasses import replace

import msgspec
import pytest

from lmctl.base.spec import LoadSettings
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.fit.estimate import estimate
from lmctl.planning.fit.shrink import LEAST, shrunk
from lmctl.planning.planner import make_plan
from tests.support import worlds
from tests.support.worlds import MIB, carry_out, desired, host, observed, seen, stored, want

PLAIN = want("a", on="wa", context=16384)
FILES = (stored(PLAIN.weights),)
FACTS = next(iter(observed(weights=FILES).facts.values()))


def fitting(least=0, **load):
    return replace(
        PLAIN, load=msgspec.structs.replace(PLAIN.load, fit=True, fit_least=least, **load)
    )


def size_of(context, *, parallel=None):
    load = msgspec.structs.replace(PLAIN.load, context_length=context)
    if parallel:
        load = msgspec.structs.replace(load, parallel=parallel)
    return estimate(FACTS, load).total


def box(*runners, routes=()):
    found = observed(*runners, weights=FILES, surface=worlds.surface_for(routes))
    return msgspec.structs.replace(found, host=host(64 * 1024 * MIB))


def plan_of(world, wish, *, size):
    return make_plan(replace(desired(wish), guardrails=Guardrails("custom", size)), world)


def load_of(plan):
    [step] = [each for each in plan.steps if each.key.startswith("load instance/")]
    return step


def test_what_fits_is_loaded_as_it_is_declared():
    step = load_of(plan_of(box(), fitting(), size=size_of(16384)))

    assert step.step.instance.load.context_length == 16384
    assert step.because == "declared and not loaded"


def test_the_longest_context_that_fits_is_taken_and_told():
    step = load_of(plan_of(box(), fitting(), size=size_of(5120) + MIB // 8))

    assert not step.held
    assert step.step.instance.load.context_length == 5120
    assert step.because == (
        "declared and not loaded; its context is 5120 tokens instead of 16384:"
        " there is no memory for more"
    )
    assert step.memory == size_of(5120)


def test_without_auto_fit_it_waits():
    assert load_of(plan_of(box(), PLAIN, size=size_of(5120))).held.startswith("does not fit: needs")


def test_where_the_least_context_does_not_fit_fewer_are_served_at_once():
    step = load_of(plan_of(box(), fitting(8192), size=size_of(8192, parallel=2)))

    assert (step.step.instance.load.context_length, step.step.instance.load.parallel) == (8192, 2)
    assert "2 at once instead of 4" in step.because


@pytest.mark.parametrize(("least", "told"), [(0, LEAST), (8192, 8192)])
def test_less_than_the_least_is_not_loaded(least, told):
    step = load_of(plan_of(box(), fitting(least), size=size_of(told, parallel=1) - 1))

    assert step.held.startswith(
        f"does not fit, nor with a context of {told} tokens for one request at a time: needs"
    )


def test_what_was_loaded_with_less_is_in_sync_and_stays_when_memory_is_free_again():
    wish, size = fitting(), size_of(5120)
    world = box()
    plan = plan_of(world, wish, size=size)
    world = carry_out(load_of(plan).step, world)
    [runner] = world.runners

    assert runner.load.context_length == 5120
    assert not [
        each for each in plan_of(world, wish, size=10 * size).steps if each.key.startswith("load")
    ]


def test_a_less_important_one_makes_way_before_a_context_is_cut():
    other = replace(want("b", on="wa"), priority=-1)
    world = box(seen(other), routes=(other,))
    goal = replace(desired(fitting(), other), guardrails=Guardrails("custom", size_of(16384)))
    step = next(e for e in make_plan(goal, world).steps if e.key.startswith("load instance/a"))

    assert step.step.instance.load.context_length == 16384


def test_a_context_is_never_longer_than_declared_nor_shorter_than_the_least():
    for most in range(0, 6000, 37):
        found = shrunk(
            LoadSettings(context_length=3000, parallel=1, fit_least=700),
            lambda load, most=most: load.context_length <= most,
        )
        assert (found is None) == (most < 700)
        if found is not None:
            assert 700 <= found.context_length <= min(most, 3000)
            assert most >= 3000 or found.context_length > most - 256 or found.context_length == 700
