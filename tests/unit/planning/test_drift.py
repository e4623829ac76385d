"""What hangs, what drifted, and what a policy does about it: values in, plan out."""

import dataclasses

import msgspec
import pytest

from lmctl.daemon.drifting import DriftTeller
from lmctl.planning.desired import DriftPolicy
from lmctl.planning.observed import SeenStray
from lmctl.planning.planner import make_plan
from lmctl.planning.policies import converged, with_reported_drift_forgotten
from lmctl.planning.surface import Cors, Logs
from lmctl.planning.turn import Reading, take_turn
from lmctl.planning.weights_values import SeenWeights, WeightsState
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want, weights

A, B = want("a"), want("b", on="w2")
HANGS = "no token for 30s with 2 running"


def in_sync(*instances, **more):
    world = observed(
        *(seen(each) for each in instances),
        weights=tuple(stored(each.weights) for each in instances),
        surface=worlds.surface_for(instances),
    )
    memory = converged(desired(*instances), frozenset(), {})
    return msgspec.structs.replace(world, converged=memory, **more)


def hung(instance, **more):
    return msgspec.structs.replace(seen(instance), hung=HANGS, **more)


def test_a_runner_that_hangs_is_ended_without_a_drain_and_loaded_again():
    plan = make_plan(desired(A, B), in_sync(A, B, runners=(hung(A), seen(B))))
    unload, load = plan.steps
    assert (unload.step.max_drain, unload.step.kill) == (0.0, False)
    assert unload.because == load.because == f"it hangs: {HANGS}"
    assert load.after == (unload.key,)
    assert (unload.drift, load.drift) == (True, True)


def test_a_runner_that_answers_nobody_is_killed():
    plan = make_plan(desired(A), in_sync(A, runners=(hung(A, silent=True),)))
    assert plan.steps[0].step.kill


def test_a_runner_that_hangs_is_not_waited_for_when_it_is_no_longer_declared():
    plan = make_plan(desired(), in_sync(A, runners=(hung(A),)))
    assert [each.step.max_drain for each in plan.steps if each.key.startswith("unload")] == [0.0]


def test_a_gateway_that_hangs_is_killed_and_started_again():
    gateway = msgspec.structs.replace(worlds.seen_gateway(), hung="no answer")
    stop, start = make_plan(desired(A), in_sync(A, gateway=gateway)).steps
    assert (stop.step.kill, stop.because) == (True, "it hangs: no answer")
    assert start.after == (stop.key,)


def edited_surface():
    return msgspec.structs.replace(worlds.surface_for((A, B)), cors=Cors(enabled=True))


def test_settings_that_may_not_be_put_back_keep_no_instance_from_healing():
    """`drift: report` for the box, `drift: correct` for the instance."""
    box = dataclasses.replace(desired(A, B), drift=DriftPolicy.REPORT)
    world = in_sync(A, B, runners=(seen(B),), surface=edited_surface())
    plan = make_plan(box, world)
    assert [(each.key.split("@")[0], bool(each.held)) for each in plan.steps] == [
        ("publish surface", True),
        ("load instance/a", False),
    ]
    assert [each.key.split("@")[0] for each in plan.ready()] == ["load instance/a"]


def test_settings_that_are_left_alone_keep_no_instance_from_healing():
    box = dataclasses.replace(desired(A, B), drift=DriftPolicy.IGNORE)
    plan = make_plan(box, in_sync(A, B, runners=(seen(B),), surface=edited_surface()))
    assert [each.key.split("@")[0] for each in plan.ready()] == ["load instance/a"]


def test_an_apply_makes_work_of_drift_that_is_only_reported():
    reporting = dataclasses.replace(A, drift=DriftPolicy.REPORT)
    goal, world = desired(reporting, B), in_sync(A, B, runners=())
    assert [bool(each.held) for each in make_plan(goal, world).steps] == [True, False]

    asked = with_reported_drift_forgotten(goal, world.converged)

    plan = make_plan(goal, msgspec.structs.replace(world, converged=asked))
    assert [(bool(each.held), each.drift) for each in plan.steps] == [(False, False), (False, True)]


def test_a_step_tells_what_it_works_with():
    (missing,) = make_plan(desired(A), in_sync(A, weights={})).steps
    gone = SeenWeights(weights().key, WeightsState.ABSENT)
    world = in_sync(A, weights={gone.key: gone}, source_files={"/weights/w1.gguf": "98 1 1"})
    (there,) = make_plan(desired(A), world).steps
    assert missing.key == there.key
    assert missing.inputs != there.inputs


def test_drift_is_told_once_with_what_is_done_and_again_only_after_it_was_put_right():
    told = []
    teller = DriftTeller(lambda *event: told.append(event))
    goal, broken = desired(A), in_sync(A, runners=(hung(A),))
    plan = make_plan(goal, broken)
    teller.found(plan.steps[0])
    teller.turn(plan)
    teller.turn(plan)
    expected = ("instance/a", "Drifted", f"it hangs: {HANGS}; corrected now", "warning")
    assert told == [expected]
    teller.turn(make_plan(goal, in_sync(A)))
    teller.turn(plan)
    assert told == [expected] * 2

    reporting = desired(dataclasses.replace(B, drift=DriftPolicy.REPORT))
    edited = in_sync(
        B, surface=msgspec.structs.replace(worlds.surface_for((B,)), logs=Logs(prompts=True))
    )
    teller.turn(make_plan(dataclasses.replace(reporting, drift=DriftPolicy.REPORT), edited))
    assert told[-1][2] == (
        "routes or settings changed (logging.prompts: true -> false); drift is only reported here "
        "(`drift: report`); `lmctl apply` corrects it"
    )
    assert dict(teller.counts) == {("instance", "corrected"): 2, ("server", "reported"): 1}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (DriftPolicy.CORRECT, [("end process/77", True, "")]),
        (
            DriftPolicy.REPORT,
            [
                (
                    "end process/77",
                    True,
                    "drift is only reported here (`drift: report`); `kill 77` ends it",
                )
            ],
        ),
        (DriftPolicy.IGNORE, []),
    ],
)
def test_a_process_that_nobody_keeps_track_of_is_drift(policy, expected):
    stray = SeenStray(77, 1.0, "runner chat@1234")
    goal = dataclasses.replace(desired(A), drift=policy)
    plan = make_plan(goal, in_sync(A, strays=(stray,)))
    assert [(each.key, each.drift, each.held) for each in plan.steps] == expected


GIB = 1024 * worlds.MIB


def grown(instance, **more):
    """A runner that was within its budget once and is not any more."""
    return msgspec.structs.replace(
        seen(instance), **{"memory": 3 * GIB, "memory_loaded": GIB, "running": 0} | more
    )


RECYCLED = dataclasses.replace(A, memory=2 * GIB, recycle=True)


@pytest.mark.parametrize(
    ("want", "runner", "recycled"),
    [
        pytest.param(RECYCLED, grown(A), True, id="idle and above its budget"),
        pytest.param(RECYCLED, grown(A, running=1), False, id="busy"),
        pytest.param(RECYCLED, grown(A, queued=1), False, id="somebody waits"),
        pytest.param(RECYCLED, grown(A, memory=GIB), False, id="within its budget"),
        pytest.param(RECYCLED, grown(A, memory_loaded=3 * GIB), False, id="never within it"),
        pytest.param(
            dataclasses.replace(RECYCLED, recycle=False), grown(A), False, id="only reported"
        ),
        pytest.param(dataclasses.replace(RECYCLED, memory=None), grown(A), False, id="no budget"),
    ],
)
def test_a_runner_above_its_budget_is_replaced_only_when_idle_and_only_on_request(
    want, runner, recycled
):
    plan = make_plan(desired(want), in_sync(want, runners=(runner,)))
    assert bool(plan.steps) is recycled
    if recycled:
        words = "it uses 3.0 GiB, above its budget of 2.0 GiB, and is idle"
        assert plan.steps[0].because == words
        assert all(each.drift for each in plan.steps)


def test_memory_above_the_budget_is_told_of_what_is_ready_all_the_same():
    goal = desired(dataclasses.replace(RECYCLED, recycle=False))
    turn = take_turn(Reading(goal), in_sync(A, runners=(grown(A),)))
    (standing,) = (each for each in turn.standings if each.key == "instance/a")
    assert (standing.state, standing.facts["overBudget"]) == (
        "Ready",
        "uses 3.0 GiB, above its budget of 2.0 GiB",
    )
    assert standing.message == "serving as a; uses 3.0 GiB, above its budget of 2.0 GiB"
