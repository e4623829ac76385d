"""Ten thousand random transitions: a plan is all the work there is, and never breaks what serves."""

import random
from dataclasses import replace

import msgspec
import pytest

from lmctl.base.spec import Phase
from lmctl.planning.admitting import rollouts
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.plan import Plan
from lmctl.planning.planner import make_plan
from lmctl.planning.scene import Scene
from lmctl.planning.weights_values import SeenWeights, WeightsState
from tests.support import worlds
from tests.support.worlds import carry_out, desired, host, observed, seen, stored, suspect, want

NAMES = ("a", "b", "c", "d")
WEIGHTS = ("w1", "w2")
CONTEXTS = (2048, 4096)
TRANSITIONS = 10_000


def a_goal(chance: random.Random) -> DesiredState:
    """Some of the instances, each on some weights with some settings and some strategy."""
    names = [name for name in NAMES if chance.random() < 0.7]
    instances = [
        replace(
            want(name, on=chance.choice(WEIGHTS), context=chance.choice(CONTEXTS)),
            strategy=chance.choice(("auto", "auto", "surge", "drain")),
        )
        for name in names
    ]
    return desired(*instances, port=chance.choice((1234, 1234, 99)))


def a_world(chance: random.Random) -> ObservedState:
    """What an earlier goal left, then damaged: runners in any phase, twice or gone, doubtful files."""
    before = a_goal(chance)
    runners = [some for each in before.instances for some in _runners(each, chance)]
    files = [
        chance.choice((stored(weights), stored(weights, linked=False), suspect(weights)))
        for weights in before.weights
        if chance.random() < 0.8
    ]
    world = observed(
        *runners,
        weights=tuple(files),
        port=chance.choice((None, 1234, 99)),
        surface=chance.choice((None, worlds.surface_for(before.instances), before.surface)),
        runtimes=chance.choice(((), ("llama.cpp",))),
    )
    return msgspec.structs.replace(world, host=chance.choice((None, host())))


def _runners(instance: WantedInstance, chance: random.Random) -> list[SeenRunner]:
    phases = (Phase.READY, Phase.READY, Phase.READY, Phase.LOADING, Phase.FAILED, Phase.DRAINING)
    found = [seen(instance, chance.choice(phases))] if chance.random() < 0.8 else []
    if chance.random() < 0.2:
        other = want(instance.name, on=chance.choice(WEIGHTS), context=chance.choice((1024, 8192)))
        found.append(seen(other, chance.choice(phases), uid=f"{other.name}-other"))
    return found


def live(world: ObservedState) -> dict[str, SeenRunner]:
    return {each.uid: each for each in world.runners if each.phase is Phase.READY}


def served(world: ObservedState) -> dict[str, str]:
    """The runner behind each instance's route, for those that have a ready one."""
    ready = {each.socket: each.uid for each in live(world).values()}
    routes = world.surface.routes if world.surface else ()
    return {each.instance: ready[each.socket] for each in routes if each.socket in ready}


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_order_exactly_the_plan_is_done_and_nothing_is_left(seed):
    chance = random.Random(seed)
    for number in range(TRANSITIONS // 10):
        goal, world = a_goal(chance), a_world(chance)
        first = make_plan(goal, world)
        done: list[str] = []
        plan = first
        while not plan.empty:
            planned = chance.choice(plan.ready())
            before = world
            world = carry_out(planned.step, world)
            done.append(planned.key)
            assert len(done) <= len(first.steps), (seed, number, done, first)
            check_step(goal, before, world, planned.key)
            plan = make_plan(goal, world)
        assert sorted(done) == sorted(first.by_key()), (seed, number)
        for each in goal.instances:
            rollout = rollouts(goal, world)[each.name]
            assert rollout.proven
            assert served(world)[each.name] == rollout.keep.uid


def check_step(goal: DesiredState, before: ObservedState, after: ObservedState, key: str) -> None:
    """What must hold at every single step, whatever comes before and after it."""
    lost = served(before).keys() - served(after).keys()
    wanted = {each.name: each for each in goal.instances}
    for name in lost & wanted.keys():
        rollout = rollouts(goal, before)[name]
        assert not rollout.surge, f"{key} leaves {name} unserved though both fit"
    for name, uid in served(after).items():
        if name in wanted and served(before).get(name) not in (None, uid):
            assert rollouts(goal, before)[name].proven, f"{key} sends {name} to an unproven runner"


@pytest.mark.parametrize("seed", range(4))
def test_what_is_as_declared_is_never_touched_by_the_others_changes(seed):
    chance = random.Random(seed)
    for _ in range(250):
        goal = a_goal(chance)
        world = a_world(chance)
        kept = {
            each.keep.uid
            for each in rollouts(goal, world).values()
            if each.proven and each.serving is None
        }
        plan = make_plan(goal, world)
        assert not [each for each in plan.steps if any(f"#{uid}" in each.key for uid in kept)]


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_shuffles_give_the_same_plan_to_the_byte(seed):
    chance = random.Random(seed)
    for _ in range(10):
        goal, world = a_goal(chance), a_world(chance)
        expected = written(make_plan(goal, world))
        for _ in range(10):
            assert written(make_plan(shuffled(goal, chance), stirred(world, chance))) == expected


def written(plan: Plan) -> bytes:
    return "\n".join(map(repr, plan.steps)).encode()


def shuffled(goal: DesiredState, chance: random.Random) -> DesiredState:
    """The same goal with its instances and weights in another order; routes stay sorted by resolve."""
    return replace(
        goal,
        instances=tuple(chance.sample(goal.instances, len(goal.instances))),
        weights=tuple(chance.sample(goal.weights, len(goal.weights))),
    )


def stirred(world: ObservedState, chance: random.Random) -> ObservedState:
    def mixed(found: dict[str, object]) -> dict[str, object]:
        return dict(chance.sample(list(found.items()), len(found)))

    return msgspec.structs.replace(
        world,
        runners=tuple(chance.sample(world.runners, len(world.runners))),
        weights=mixed(world.weights),
        facts=mixed(world.facts),
        runtimes=mixed(world.runtimes),
    )


def test_weights_that_vanish_under_a_runner_are_fetched_while_it_goes_on():
    goal = desired(want("a"))
    lost = SeenWeights(want("a").weights.key, WeightsState.ABSENT)
    world = observed(seen(want("a")), weights=(lost,), surface=goal.surface)
    (fetch,) = make_plan(goal, world).steps
    assert fetch.key.startswith("fetch model/acme/w1")
    assert Scene(goal, world).surface == goal.surface
