"""Memory shared out: who loads beside whom, after whom, instead of whom, and who waits."""

import random
from dataclasses import replace

import msgspec
import pytest

from lmctl.base.quantities import format_size
from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.admitting import rollouts
from lmctl.planning.conditions import State
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.fit.estimate import estimate
from lmctl.planning.planner import make_plan
from lmctl.planning.rollout import attempt_of
from lmctl.planning.turn import Reading, take_turn
from tests.support import worlds
from tests.support.worlds import MIB, carry_out, desired, host, observed, seen, stored, want

A, B, C = (want(name, on=f"w{name}") for name in "abc")
A_LONGER, B_LONGER = (replace(want(n, on=f"w{n}", context=8192)) for n in "ab")
ALL = (A, B, C, A_LONGER, B_LONGER)
FILES = tuple(stored(each.weights) for each in (A, B, C))
_FACTS = next(iter(observed(weights=FILES).facts.values()))
SMALL, LARGE = (estimate(_FACTS, each.load).total for each in (A, A_LONGER))
# What two runners of the same file do not need twice.
SHARED = _FACTS.weights_size
PRIVATE = LARGE - SHARED


def box(*runners, size, routes=None, **more):
    """A box on which models may use just so many bytes together."""
    surface = worlds.surface_for(routes if routes is not None else ())
    seen_world = observed(*runners, weights=FILES, surface=surface, **more)
    return msgspec.structs.replace(seen_world, host=host(64 * 1024 * MIB)), size


def goal(*instances, size, **more):
    rails = Guardrails("custom", size)
    return replace(desired(*instances), guardrails=rails, **more)


def plan_of(world_and_size, *instances, **more):
    world, size = world_and_size
    return make_plan(goal(*instances, size=size, **more), world)


def told(plan):
    """The steps about instances in order, shortened; `x` marks what is held."""
    return [
        ("x " if each.held else "")
        + each.key.split("@")[0].split("#")[0].replace(" instance/", " ")
        for each in plan.steps
        if "instance/" in each.key
    ]


def test_a_replacement_goes_beside_what_runs_only_where_it_fits_to_the_byte():
    routes = (A,)
    fits = box(seen(A), size=SMALL + PRIVATE, routes=routes)
    assert told(plan_of(fits, A_LONGER)) == ["load a", "switch a", "unload a"]
    tight = box(seen(A), size=SMALL + PRIVATE - 1, routes=routes)
    assert told(plan_of(tight, A_LONGER)) == ["switch a", "unload a", "load a"]


def test_what_does_not_fit_at_all_is_held_with_the_numbers_and_nothing_is_touched():
    tight = box(seen(A), size=LARGE - 1, routes=(A,))
    plan = plan_of(tight, A_LONGER)
    assert told(plan) == ["x load a"]
    (load,) = plan.steps
    assert load.blocked
    assert load.held == (
        f"does not fit: needs {format_size(LARGE)}, {format_size(LARGE - 1)} of"
        f" {format_size(LARGE - 1)} free for models (custom allows {format_size(LARGE - 1)})"
    )


def test_a_load_that_does_not_fit_is_not_ready_and_says_so_in_a_condition():
    world, size = box(size=SMALL - 1)
    turn = take_turn(Reading(goal(A, size=size)), world)
    (found,) = [each for each in turn.standings if each.key == "instance/a"]
    assert found.state is State.STALLED
    fits = next(each for each in found.conditions if each.type == "Fits")
    assert (fits.status, fits.reason) == ("False", "DoesNotFit")


def test_guardrails_that_are_off_hold_nothing():
    world, _ = box(seen(A), size=0, routes=(A,))
    off = replace(desired(A_LONGER, B), guardrails=Guardrails("off"))
    world = msgspec.structs.replace(world, host=host(1))
    assert not [each for each in make_plan(off, world).steps if each.held]
    assert rollouts(off, world)["a"].surge


def test_the_same_memory_is_not_given_away_twice():
    plan = plan_of(box(size=2 * SMALL), A, B, C)
    assert told(plan) == ["load a", "load b", "x load c"]


def test_what_is_loading_counts_with_all_it_will_take():
    loading = msgspec.structs.replace(seen(A, Phase.LOADING), memory=1)
    plan = plan_of(box(loading, size=2 * SMALL - 1), A, B)
    assert told(plan) == ["load a", "x load b"]


def test_the_more_important_is_loaded_first():
    important = replace(C, priority=1)
    plan = plan_of(box(size=2 * SMALL), A, B, important)
    assert told(plan) == ["load a", "x load b", "load c"]


def test_the_more_important_takes_the_place_of_the_less_important_and_keeps_it():
    world, size = box(seen(A), seen(B), size=2 * SMALL, routes=(A, B))
    wanted = (replace(A, priority=5), B, replace(C, priority=9))
    plan = plan_of((world, size), *wanted)
    assert told(plan) == ["unload b", "x load b", "load c"]
    unload, held, load = (each for each in plan.steps if "instance/" in each.key)
    assert unload.because == "makes room for instance/c"
    assert unload.disruption.words == "no longer served"
    assert unload.key in load.after
    assert held.held == "makes way for instance/c, which has a higher priority"

    for each in (unload, load):
        world = carry_out(each.step, world)
    rested = plan_of((world, size), *wanted)
    assert told(rested) == ["x load b"]


def test_equals_never_take_the_place_of_what_runs():
    plan = plan_of(box(seen(A), size=SMALL, routes=(A,)), A, B)
    assert told(plan) == ["x load b"]


def test_two_replacements_with_room_for_one_go_beside_one_after_the_other():
    size = 2 * SMALL + PRIVATE
    plan = plan_of(box(seen(A), seen(B), size=size, routes=(A, B)), A_LONGER, B_LONGER)
    assert sorted(told(plan)) == sorted(
        ["load a", "switch a", "unload a", "load b", "switch b", "unload b"]
    )
    steps = dict(zip(told(plan), _instances(plan), strict=True))
    assert steps["load a"].after == ()
    assert steps["unload a"].key in steps["load b"].after


def _instances(plan):
    return [each for each in plan.steps if "instance/" in each.key]


def test_what_is_removed_makes_room_first():
    plan = plan_of(box(seen(A), size=SMALL, routes=(A,)), B)
    steps = _instances(plan)
    assert told(plan) == ["unload a", "load b"]
    assert steps[0].key in steps[1].after


def test_a_failed_candidate_keeps_no_memory_from_others():
    failed = msgspec.structs.replace(
        seen(A_LONGER, Phase.FAILED),
        attempt=attempt_of(A_LONGER),
        failure=FailureKind.CONFIG,
        reason="no",
    )
    world = box(seen(A), failed, size=SMALL + PRIVATE + SMALL, routes=(A,))
    assert "load b" in told(plan_of(world, A_LONGER, B))


def test_a_budget_of_its_own_counts_instead_of_the_estimate():
    modest = replace(A, memory=10 * MIB)
    assert told(plan_of(box(size=10 * MIB), modest)) == ["load a"]


def test_nothing_is_held_while_sizes_are_not_known():
    world = observed(seen(A), surface=worlds.surface_for((A,)))
    world = msgspec.structs.replace(world, host=host(1))
    plan = make_plan(desired(A_LONGER), world)
    assert not [each for each in plan.steps if each.held]


def test_an_edit_that_grew_too_large_while_the_old_one_was_ended_brings_it_back():
    retired = msgspec.structs.replace(seen(A), phase=Phase.FAILED, retired=True, pid=0)
    plan = plan_of(box(retired, size=SMALL, routes=(A_LONGER,)), A_LONGER)
    assert told(plan) == ["restore a", "x load a"]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_no_load_begins_that_the_budget_has_no_room_for(seed):
    """Random boxes too small for all: every step is done in a random order, planned anew each time."""
    chance = random.Random(seed)
    for _ in range(60):
        size = chance.choice((SMALL, 2 * SMALL, 2 * SMALL + PRIVATE, 4 * LARGE))
        there = chance.sample((A, B, C), chance.randint(0, min(3, size // SMALL)))
        wanted = [
            replace(chance.choice(options), priority=chance.choice((0, 0, 1)))
            for options in ((A, A_LONGER), (B, B_LONGER), (C,))
            if chance.random() < 0.8
        ]
        running = [msgspec.structs.replace(seen(each), memory=SMALL) for each in there]
        world, _ = box(*running, size=size, routes=there)
        aim = goal(*wanted, size=size)
        _walk(chance, aim, world, size)


def _walk(chance, aim, world, size):
    for _ in range(40):
        plan = make_plan(aim, world)
        ready = plan.ready()
        if not ready:
            break
        step = chance.choice(ready)
        before = _taken(world)
        world = carry_out(step.step, world)
        if step.key.startswith("load"):
            assert _taken(world) <= max(size, before), step.key
    else:
        raise AssertionError("the plan never ends")
    for name, each in rollouts(aim, world).items():
        assert each.proven or each.room.held, name


def _taken(world):
    alive = [each for each in world.runners if each.alive]
    sizes = [estimate(_FACTS, each.load).total - SHARED for each in alive]
    return sum(sizes) + SHARED * len({each.model for each in alive})
