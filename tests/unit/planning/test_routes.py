"""A Route from its manifest to what the gateway is told, what a diff says and how it stands."""

import dataclasses

import msgspec
import pytest

from lmctl.base.spec import Phase
from lmctl.planning.conditions import State
from lmctl.planning.outcome import Stalled
from lmctl.planning.planner import make_plan
from lmctl.planning.surface import AliasTarget, ServedAlias
from lmctl.planning.turn import Reading, take_turn
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

A, B, C = want("a"), want("b"), want("c")
ALL = (A, B, C)
ROUTE = ServedAlias(
    "smart", ("gpt-4o", "smart"), (AliasTarget("a", 90), AliasTarget("b", 10)), ("c",)
)


def goal(alias=ROUTE):
    surface = msgspec.structs.replace(worlds.surface_for(ALL), aliases=(alias,))
    return dataclasses.replace(
        worlds.with_surface(desired(*ALL), surface),
        places={"route/smart": {"": "routes.yaml:1", "targets": "routes.yaml:5"}},
    )


def world(up="abc", *, published=True):
    runners = tuple(seen(each, Phase.READY if each.name in up else Phase.FAILED) for each in ALL)
    surface = goal().surface if published else worlds.surface_for(ALL)
    return observed(*runners, weights=(stored(A.weights),), surface=surface)


def standing(up, outcomes=None, **more):
    turn = take_turn(Reading(goal()), world(up, **more)).judged(outcomes or {}, {})
    (found,) = [each for each in turn.standings if each.kind == "route"]
    return found


def stalled(*wanted):
    keys = [f"load instance/{each.name}@{each.spec_digest[:12]}" for each in wanted]
    return dict.fromkeys(keys, Stalled("no such file"))


@pytest.mark.parametrize(
    ("up", "outcomes", "state", "message"),
    [
        pytest.param("abc", {}, State.READY, "leads to a 90%, b 10%", id="all up"),
        pytest.param(
            "b", {}, State.READY, "leads to a 90%, b 10%; not up: a, c", id="one is enough"
        ),
        pytest.param(
            "c",
            {},
            State.RECONCILING,
            "answered by its fallback c; instance/a: its runner is gone: killed by SIGKILL",
            id="the fallback is not what is wanted",
        ),
        pytest.param(
            "c",
            stalled(A, B),
            State.STALLED,
            "answered by its fallback c; instance/a: no such file",
            id="the fallback, for good",
        ),
        pytest.param(
            "",
            stalled(A, C),
            State.RECONCILING,
            "waits for instance/b: its runner is gone: killed by SIGKILL",
            id="the one that may come up is waited for",
        ),
    ],
)
def test_a_route_stands_as_the_best_of_what_it_leads_to(up, outcomes, state, message):
    found = standing(up, outcomes)
    assert (found.state, found.message) == (state, message)


def test_a_route_that_is_not_published_yet_is_not_ready():
    assert standing("abc", published=False).state is State.RECONCILING


def test_a_new_route_is_a_hot_change_told_by_its_fields_and_lines():
    (publish,) = make_plan(goal(), world(published=False)).steps
    assert publish.disruption.words == "hot"
    assert [
        (each.subject, each.path, each.old, each.new, each.place) for each in publish.changes
    ] == [
        ("route/smart", "names", "", "gpt-4o, smart", "routes.yaml:1"),
        ("route/smart", "targets", "", "a 90, b 10", "routes.yaml:5"),
        ("route/smart", "fallback", "", "c", "routes.yaml:1"),
    ]
