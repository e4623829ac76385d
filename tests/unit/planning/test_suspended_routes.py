"""How clients reach what is suspended does not change, whatever is edited meanwhile."""

import dataclasses

import msgspec
import pytest

from lmctl.planning.plan import Plan, PublishSurface
from lmctl.planning.planner import make_plan
from lmctl.planning.policies import converged
from lmctl.planning.step_view import object_of
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

A, B = want("a"), want("b")
BEFORE = worlds.surface_for((A, B))
WHY = {"instance/a": "a demo"}


def plan(goal, *, suspended=WHY) -> Plan:
    world = observed(seen(A), seen(B), weights=(stored(A.weights),), surface=BEFORE)
    return make_plan(dataclasses.replace(goal, suspended=suspended), world)


def published(made: Plan) -> list[tuple[str, bool]]:
    """What routes a plan tells the gateway, and whether that is held."""
    return [
        (
            " ".join(f"{r.name}:{r.spec_digest[:4]}" for r in each.step.surface.routes),
            bool(each.held),
        )
        for each in made.steps
        if isinstance(each.step, PublishSurface)
    ]


def routes(*wanted) -> str:
    return " ".join(f"{each.name}:{each.spec_digest[:4]}" for each in wanted)


@pytest.mark.parametrize("strategy", ["surge", "drain"])
def test_a_suspended_instance_is_served_by_the_runner_it_has(strategy):
    new = dataclasses.replace(want("a", context=8192), strategy=strategy)
    assert [told for told in published(plan(desired(new, B))) if not told[1]] == []


def test_a_suspended_instance_that_is_no_longer_declared_stays_reachable():
    made = plan(desired(B))
    assert published(made) == [(routes(B), True)]
    assert all(each.held for each in made.steps)


def test_other_edits_reach_the_gateway_and_what_is_left_is_held():
    surface = worlds.surface_for((A, B))
    hot = tuple(
        msgspec.structs.replace(each, operation={"llm.prediction.temperature": 0.5})
        for each in surface.routes
    )
    goal = worlds.with_surface(desired(A, B), msgspec.structs.replace(surface, routes=hot))
    first, left = sorted(plan(goal).steps, key=lambda each: each.held)
    assert (first.held, [bool(r.operation) for r in first.step.surface.routes]) == (
        "",
        [False, True],
    )
    assert (left.key, left.held) == ("publish instance/a", "suspended: a demo")
    assert [str(each) for each in left.changes] == ["operation.temperature: (none) -> 0.5"]

    world = observed(seen(A), seen(B), weights=(stored(A.weights),), surface=first.step.surface)
    (left,) = make_plan(dataclasses.replace(goal, suspended=WHY), world).steps
    assert object_of(left) == "instance/a"
    # It is not what was seen last, so once it is resumed it is no drift.
    remembered = converged(goal, frozenset({left.step.subject}), {})
    assert "server/surface" not in remembered
    (resumed,) = make_plan(goal, msgspec.structs.replace(world, converged=remembered)).steps
    assert (resumed.held, resumed.drift) == ("", False)
