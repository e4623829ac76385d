"""What a change of routes and settings says of itself."""

import msgspec

from lmctl.planning.plan import Disruption, PublishSurface
from lmctl.planning.planner import make_plan
from lmctl.planning.surface import Cors
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

A = want("a")


def published(old, new):
    world = observed(seen(A), weights=(stored(A.weights),), surface=old)
    goal = worlds.with_surface(desired(A), new)
    (planned,) = make_plan(goal, world).steps
    assert isinstance(planned.step, PublishSurface)
    assert planned.disruption is Disruption.HOT
    return tuple(f"{each.subject} {each}" for each in planned.changes)


def test_hot_changes_are_told_by_path_with_old_and_new():
    old = worlds.surface_for((A,))
    (route,) = old.routes
    route = msgspec.structs.replace(route, operation={"llm.prediction.temperature": 0.2})
    new = msgspec.structs.replace(old, routes=(route,), cors=Cors(enabled=True))
    assert published(old, new) == (
        "instance/a operation.temperature: (none) -> 0.2",
        "server/gateway cors.enabled: false -> true",
    )


def test_a_name_is_told_by_the_instances_that_have_it():
    old = worlds.surface_for((A,))
    renamed = msgspec.structs.replace(old.routes[0], name="b")
    other = msgspec.structs.replace(old.routes[0], instance="c")
    assert published(old, msgspec.structs.replace(old, routes=(renamed,))) == (
        "instance/a identifier: a -> b",
    )
    assert published(old, msgspec.structs.replace(old, routes=(other,))) == (
        "instance/a identifier: a -> (none)",
        "instance/c identifier: (none) -> a",
    )
