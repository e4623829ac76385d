"""Desired and observed in, plan out."""

import dataclasses
from itertools import permutations, product

import msgspec
import pytest

from lmctl.base.spec import Phase
from lmctl.planning.desired import Check, DesiredState, DriftPolicy
from lmctl.planning.fit.need import need
from lmctl.planning.observed import ObservedState
from lmctl.planning.planner import make_plan
from lmctl.planning.policies import converged
from lmctl.planning.rollout import attempt_of
from lmctl.planning.surface import Logs
from tests.support import worlds
from tests.support.worlds import (
    carry_out,
    desired,
    host,
    observed,
    seen,
    stored,
    suspect,
    want,
    weights,
)

A, B = want("a"), want("b", on="w2")
A_LONGER = want("a", context=8192)
A_OTHER = want("a", on="w2")


def keys(goal: DesiredState, world: ObservedState) -> list[str]:
    return [each.key.split("@")[0].split("#")[0] for each in make_plan(goal, world).steps]


def in_sync(*instances, **more):
    return observed(
        *(seen(each) for each in instances),
        weights=tuple(stored(each.weights) for each in instances),
        surface=worlds.surface_for(instances),
        **more,
    )


FETCH, LOAD, UNLOAD = "fetch model/acme/w1", "load instance/a", "unload instance/a"
SWITCH, RESTORE = "switch instance/a", "restore instance/a"


@pytest.mark.parametrize(
    ("goal", "world", "expected"),
    [
        pytest.param(
            desired(A),
            observed(port=None, runtimes=()),
            ["ensure runtime/llama.cpp", FETCH, "publish surface", "start gateway", LOAD],
            id="an empty box",
        ),
        pytest.param(desired(A), in_sync(A), [], id="in sync"),
        pytest.param(
            desired(A, generation=7), in_sync(A), [], id="a new generation alone is nothing to do"
        ),
        pytest.param(desired(), in_sync(A), ["publish surface", UNLOAD], id="removed"),
        pytest.param(desired(A_LONGER), in_sync(A), [SWITCH, UNLOAD, LOAD], id="settings edited"),
        pytest.param(
            desired(A_OTHER),
            in_sync(A),
            ["fetch model/acme/w2", SWITCH, UNLOAD, LOAD],
            id="other weights: the old runner serves while they are fetched",
        ),
        pytest.param(
            desired(A),
            msgspec.structs.replace(in_sync(A), runners=(seen(A, Phase.LOADING),)),
            [LOAD],
            id="still loading is still to do",
        ),
        pytest.param(
            desired(A),
            msgspec.structs.replace(in_sync(A), runners=(seen(A, Phase.FAILED),)),
            [LOAD],
            id="a dead runner is loaded again in its place",
        ),
        pytest.param(
            desired(A),
            msgspec.structs.replace(in_sync(A), runners=(seen(A, Phase.DRAINING),)),
            [UNLOAD, LOAD],
            id="a draining runner must be gone first",
        ),
        pytest.param(
            desired(A),
            msgspec.structs.replace(
                in_sync(A), runners=(seen(A, uid="one"), seen(A, uid="two", started_at=0.0))
            ),
            [UNLOAD],
            id="a second runner is ended",
        ),
        pytest.param(
            desired(A),
            msgspec.structs.replace(in_sync(A), weights={weights().key: suspect(weights())}),
            ["verify model/acme/w1"],
            id="files that changed on disk are hashed while the runner goes on",
        ),
        pytest.param(
            desired(A),
            msgspec.structs.replace(
                in_sync(A), weights={weights().key: stored(weights(), linked=False)}
            ),
            ["link model/acme/w1"],
            id="missing links are put back",
        ),
        pytest.param(desired(A, port=4321), in_sync(A), ["start gateway"], id="another port"),
        pytest.param(DesiredState(0), in_sync(A), ["stop gateway", UNLOAD], id="taken down"),
    ],
)
def test_plan(goal, world, expected):
    assert keys(goal, world) == expected


def test_a_gateway_that_shares_its_port_is_replaced_without_an_outage():
    moved = dataclasses.replace(
        desired(A).gateway, host="0.0.0.0", workers=2, digest="other"
    )  # not bound
    goal = dataclasses.replace(desired(A), gateway=moved)
    for shares, expected in ((False, ["stop gateway", "start gateway"]), (True, ["start gateway"])):
        seen = msgspec.structs.replace(worlds.seen_gateway(), shares=shares, workers=1)
        plan = make_plan(goal, msgspec.structs.replace(in_sync(A), gateway=seen))
        assert [each.key.split("#")[0].split("@")[0] for each in plan.steps] == expected
    (start,) = plan.steps
    assert (start.step.replaces, start.disruption.words) == (7, "hot")
    assert start.because == "listen.host: 127.0.0.1 -> 0.0.0.0; listen.workers: 1 -> 2"


def test_where_both_fit_the_new_runner_is_proven_before_the_route_and_the_old_one_change():
    plan = make_plan(desired(A_LONGER), msgspec.structs.replace(in_sync(A), host=host()))
    assert [each.key.split("@")[0].split("#")[0] for each in plan.steps] == [LOAD, SWITCH, UNLOAD]
    load, switch, unload = plan.steps
    assert (load.after, switch.after, unload.after) == (
        (),
        (load.key,),
        (load.key, switch.key),
    )
    assert {each.disruption.words for each in plan.steps} == {"no disruption", "hot"}


def test_a_hot_edit_beside_a_surge_is_published_at_once_and_flips_no_route():
    old = worlds.surface_for((A,))
    goal = worlds.with_surface(
        desired(A_LONGER),
        msgspec.structs.replace(worlds.surface_for((A_LONGER,)), logs=Logs(prompts=True)),
    )
    plan = make_plan(goal, msgspec.structs.replace(in_sync(A), host=host()))
    publish = next(each for each in plan.ready() if each.key == "publish surface")
    assert publish.step.surface.logs.prompts
    assert publish.step.surface.routes[0].socket == old.routes[0].socket
    switch = next(each for each in plan.steps if each.key.startswith("switch"))
    assert switch.step.surface.routes[0].socket == A_LONGER.socket


def test_without_room_for_both_requests_wait_only_once_all_is_there_for_the_new_runner():
    fetch, switch, unload, load = make_plan(desired(A_OTHER), in_sync(A)).steps
    assert switch.after == (fetch.key,)
    assert unload.after == (fetch.key, switch.key)
    assert load.after == (fetch.key, unload.key)
    assert unload.step.retire


def test_a_candidate_that_is_there_already_does_not_turn_a_surge_into_a_drain():
    for phase in (Phase.LOADING, Phase.PROVING):
        candidate = seen(A_LONGER, phase, started_at=2.0)
        world = msgspec.structs.replace(
            in_sync(A), runners=(seen(A), candidate), host=host(64 * worlds.MIB)
        )
        assert keys(desired(A_LONGER), world) == [LOAD, SWITCH, UNLOAD]


def test_going_back_while_the_candidate_loads_ends_only_the_candidate():
    candidate = seen(A_LONGER, Phase.LOADING, started_at=2.0)
    world = msgspec.structs.replace(in_sync(A), runners=(seen(A), candidate))
    (unload,) = make_plan(desired(A), world).steps
    assert unload.step.uid == candidate.uid
    assert unload.because == "no longer what is wanted"


def test_a_runner_that_serves_is_proven_again_when_its_checks_are_edited():
    checked = dataclasses.replace(A, checks=(Check("Say OK.", regex="OK"),))
    (load,) = make_plan(desired(checked), in_sync(A)).steps
    assert (load.because, load.disruption.words) == ("its checks changed", "no disruption")


def candidate_failed(*, retired: bool) -> ObservedState:
    """The old runner was ended to make room, and the new one did not come up."""
    old = msgspec.structs.replace(
        seen(A),
        phase=Phase.FAILED if retired else Phase.READY,
        retired=retired,
    )
    new = msgspec.structs.replace(
        seen(A_LONGER, Phase.FAILED), attempt=attempt_of(A_LONGER), reason="out of memory"
    )
    surface = worlds.surface_for((A_LONGER,) if retired else (A,))
    return msgspec.structs.replace(in_sync(A), runners=(old, new), surface=surface)


def test_a_failed_replacement_brings_the_old_runner_back_and_waits_for_an_edit():
    goal, world = desired(A_LONGER), candidate_failed(retired=True)
    assert keys(goal, world) == ["publish surface", RESTORE, LOAD]
    plan = make_plan(goal, world)
    assert plan.steps[0].step.surface.routes[0].socket == A.socket
    assert "out of memory" in plan.steps[2].held

    serving = make_plan(goal, candidate_failed(retired=False))
    assert [each.step.key for each in serving.steps if not each.held] == []
    assert not list(serving.doable())

    elsewhere = make_plan(desired(A_LONGER, generation=2), candidate_failed(retired=False))
    assert not list(elsewhere.doable()), "an edit of something else is no reason to try again"

    edited = desired(dataclasses.replace(A_LONGER, checks=(Check("Say OK."),)))
    assert keys(edited, candidate_failed(retired=False)) == [SWITCH, UNLOAD, LOAD]


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.LOADING, Phase.PROVING])
def test_a_runner_that_is_being_brought_back_is_so_until_it_serves(phase):
    """A daemon that died meanwhile left it alive and closed to clients."""
    world = candidate_failed(retired=False)
    old, new = world.runners
    old = msgspec.structs.replace(old, phase=phase)
    assert RESTORE in keys(desired(A_LONGER), msgspec.structs.replace(world, runners=(old, new)))


def test_a_rename_keeps_the_process_and_moves_only_the_name():
    renamed = dataclasses.replace(A, name="z", identifier="z", renamed_from="a")
    assert keys(desired(renamed), in_sync(A)) == ["rename instance/z", "publish surface"]


def test_what_nobody_edited_is_drift_and_policy_decides():
    dead = msgspec.structs.replace(in_sync(A), runners=(seen(A, Phase.FAILED),))
    (edit,) = make_plan(desired(A), dead).steps
    assert not edit.drift

    noticed = msgspec.structs.replace(dead, converged=converged(desired(A), frozenset(), {}))
    (drift,) = make_plan(desired(A), noticed).steps
    assert (drift.drift, drift.held) == (True, "")

    told = desired(dataclasses.replace(A, drift=DriftPolicy.REPORT))
    (reported,) = make_plan(told, noticed).steps
    assert "only reported" in reported.held

    ignoring = desired(dataclasses.replace(A, drift=DriftPolicy.IGNORE))
    assert make_plan(ignoring, noticed).empty
    assert not make_plan(ignoring, dead).empty


def test_what_is_suspended_is_planned_and_held():
    for subject in ("instance/a", "box"):
        goal = dataclasses.replace(desired(A), suspended={subject: "by me: maintenance"})
        world = msgspec.structs.replace(in_sync(A), runners=())
        (held,) = make_plan(goal, world).steps
        assert held.held.endswith("by me: maintenance")


def test_convergence_is_remembered_until_what_is_wanted_changes():
    before = converged(desired(A), frozenset(), {})
    assert converged(desired(A), frozenset({"instance/a"}), before) == before
    edited = converged(desired(A_LONGER), frozenset({"instance/a"}), before)
    assert "instance/a" not in edited


def test_a_runner_with_other_weights_than_those_on_disk_is_replaced():
    wrong = msgspec.structs.replace(seen(A), weights=("0" * 64,))
    plan = make_plan(desired(A), msgspec.structs.replace(in_sync(A), runners=(wrong,)))
    assert [each.because for each in plan.steps] == ["it runs other weights than those on disk"] * 2


def test_the_reason_for_a_reload_names_what_changed():
    unload = next(s for s in make_plan(desired(A_LONGER), in_sync(A)).steps if "unload" in s.key)
    assert unload.because == "load.contextLength: 4096 -> 8192"


def test_the_memory_of_a_load_is_what_the_estimator_says():
    load = make_plan(desired(A), in_sync()).steps[-1]
    assert load.memory is None
    world = msgspec.structs.replace(in_sync(A), runners=())
    assert make_plan(desired(A), world).steps[-1].memory == need(A, world).total


ABSENT = None


def worlds_of_two():
    """Every small world: two names, each absent or a runner of one of three specs in a phase."""
    phases = (Phase.READY, Phase.LOADING, Phase.FAILED, Phase.DRAINING)
    for_a = [ABSENT, *product((A, A_LONGER, A_OTHER), phases)]
    for_b = [ABSENT, *product((B,), phases)]
    kept = [(), (stored(weights("w1")),), (suspect(weights("w1")), stored(weights("w2")))]
    surfaces = (None, worlds.surface_for((A,)), worlds.surface_for((A_LONGER, B)))
    rooms = (None, host())
    every = product(for_a, for_b, kept, surfaces, (None, 99), rooms)
    for a, b, there, surface, port, room in every:
        runners = tuple(seen(*each) for each in (a, b) if each is not ABSENT)
        world = observed(*runners, weights=there, surface=surface, port=port, runtimes=())
        yield msgspec.structs.replace(world, host=room)


def goals():
    for a, b in product((ABSENT, A, A_LONGER, A_OTHER), (ABSENT, B)):
        yield desired(*(each for each in (a, b) if each is not ABSENT))
    yield DesiredState(0)


def test_carrying_out_any_plan_leaves_nothing_to_plan():
    """Over every small world there is: rules that fight each other have nowhere to hide."""
    tried = 0
    for goal, start in product(goals(), worlds_of_two()):
        world = start
        for planned in make_plan(goal, start).steps:
            world = carry_out(planned.step, world)
        assert make_plan(goal, world).empty, (goal, start)
        tried += 1
    assert tried == 9 * (13 * 5 * 3 * 3 * 2 * 2)


def test_a_plan_never_starts_what_it_says_must_wait():
    for goal, start in product(goals(), worlds_of_two()):
        plan = make_plan(goal, start)
        done: set[str] = set()
        for planned in plan.steps:
            assert done.issuperset(set(planned.after) & plan.by_key().keys())
            done.add(planned.key)


def test_shuffled_input_gives_the_same_plan():
    c = want("c", on="w3")
    runners = [seen(A), seen(B, Phase.FAILED), seen(c)]
    plans = set()
    for order in permutations(runners):
        for instances in permutations((A_LONGER, B, c)):
            world = observed(*order, weights=(), runtimes=())
            plans.add(str(make_plan(desired(*sorted(instances, key=lambda i: i.name)), world)))
    assert len(plans) == 1


def test_a_rename_with_other_settings_replaces_the_old_names_runner_which_serves_until_then():
    renamed = dataclasses.replace(A_LONGER, name="z", identifier="z", renamed_from="a")
    world = msgspec.structs.replace(in_sync(A), host=host())
    publish, load, switch, unload = make_plan(desired(renamed), world).steps
    (route,) = publish.step.surface.routes
    assert (route.name, route.instance, route.socket) == ("z", "z", A.socket)
    assert load.key.startswith("load instance/z@")
    assert load.key in switch.after
    assert switch.key in unload.after
    assert unload.key == f"unload instance/z#{seen(A).uid}"
