"""What people are told about each object."""

import dataclasses

import msgspec
import pytest

from lmctl.base.diagnostics import Place, error
from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.conditions import ConditionType, HealthState, Progress, Reason, State, Sync
from lmctl.planning.desired import DriftPolicy
from lmctl.planning.outcome import Done, Failed, Stalled, Waiting
from lmctl.planning.policies import wanted_digests
from lmctl.planning.report import BoxStatus, box_status
from lmctl.planning.transitions import Remembered, remember
from lmctl.planning.turn import Reading, Turn, take_turn
from tests.support import worlds
from tests.support.worlds import MIB, desired, host, observed, seen, stored, suspect, want

A = want("a")
FETCH = "fetch model/acme/w1@" + A.weights.key[:12]
LOAD = "load instance/a@" + A.spec_digest[:12]
INSTANCE = "instance/a"


def in_sync(*runners, **more):
    surface = worlds.surface_for((A,))
    return observed(
        *(runners or (seen(A),)), **{"weights": (stored(A.weights),), "surface": surface} | more
    )


def turn_of(world, goal=None, *problems) -> Turn:
    return take_turn(Reading(goal or desired(A), problems), world)


def drifted(world):
    """The same world, of which it is remembered that it was once as declared."""
    return msgspec.structs.replace(world, converged=wanted_digests(desired(A)))


def standing(turn: Turn) -> dict[str, tuple[State, str]]:
    return {each.key: (each.state, each.message) for each in turn.standings}


def of(turn: Turn, key=INSTANCE):
    return next(each for each in (turn.box, *turn.standings) if each.key == key)


def columns(turn: Turn, key=INSTANCE):
    found = of(turn, key)
    return found.state.value, found.sync.value, found.health.value


def said(turn: Turn, key=INSTANCE) -> dict[str, str]:
    return {each.type.value: f"{each.status} {each.reason}" for each in of(turn, key).conditions}


def test_in_sync_everything_is_ready_and_says_what_it_is():
    assert standing(turn_of(in_sync())) == {
        "runtime/llama.cpp": (State.READY, "llama.cpp 0.3.36"),
        "model/acme/w1": (State.READY, "stored, from file"),
        "server/gateway": (State.READY, "listening on 127.0.0.1:1234"),
        INSTANCE: (State.READY, "serving as a"),
    }


def test_a_runner_with_another_spec_is_never_ready():
    other = msgspec.structs.replace(seen(A), spec_digest="0" * 64)
    turn = turn_of(in_sync(other))
    assert of(turn).state is State.RECONCILING
    assert said(turn)["Loaded"] == "False OtherSpec"


def test_an_empty_box_says_what_it_waits_for():
    turn = turn_of(observed(port=None, runtimes=()))
    assert standing(turn)[INSTANCE] == (
        State.RECONCILING,
        "waits for runtime/llama.cpp, model/acme/w1",
    )


def test_trouble_of_what_comes_first_is_told_at_the_instance():
    judged = turn_of(observed()).judged({FETCH: Stalled("no such repository")}, {})
    assert standing(judged)["model/acme/w1"] == (State.STALLED, "no such repository")
    assert standing(judged)[INSTANCE] == (
        State.STALLED,
        "waits for model/acme/w1: no such repository",
    )
    assert said(judged, "model/acme/w1")["Resolved"] == "False NeedsChange"


def test_each_ending_has_its_state_and_progress_goes_before_them():
    turn = turn_of(in_sync(seen(A, Phase.FAILED)))

    def told(outcome, progress=()):
        return standing(turn.judged({LOAD: outcome}, dict(progress)))[INSTANCE]

    assert told(Failed("crashed", FailureKind.BUG)) == (State.RETRYING, "crashed")
    assert told(Waiting("busy", 1.0)) == (State.RECONCILING, "busy")
    assert told(Done("loaded")) == (State.RECONCILING, "loaded")
    running = {LOAD: Progress("loading, 40%")}
    assert told(Failed("crashed", FailureKind.BUG), running) == (State.RECONCILING, "loading, 40%")
    assert standing(turn)[INSTANCE] == (
        State.RECONCILING,
        "its runner is gone: killed by SIGKILL",
    )


# One row per situation: the world, the goal, what was tried; then state, sync and health.
SITUATIONS = [
    pytest.param(in_sync(), {}, {}, "Ready Synced Healthy", id="in sync"),
    pytest.param(observed(), {}, {}, "Reconciling OutOfSync Missing", id="nothing there yet"),
    pytest.param(
        observed(), {}, {FETCH: Waiting("queued", 1.0)}, "Reconciling OutOfSync Progressing",
        id="what it waits for has begun",
    ),
    pytest.param(
        in_sync(seen(A, Phase.FAILED)), {}, {LOAD: Failed("died", FailureKind.BUG)},
        "Retrying OutOfSync Degraded", id="failed",
    ),
    pytest.param(
        in_sync(seen(A, Phase.FAILED)), {}, {LOAD: Stalled("no such architecture")},
        "Stalled OutOfSync Degraded", id="needs a person",
    ),
    pytest.param(
        drifted(in_sync(seen(A, Phase.FAILED))), {}, {}, "Reconciling Drifted Missing", id="killed",
    ),
    pytest.param(
        drifted(in_sync(seen(A, Phase.FAILED))), {"drift": DriftPolicy.REPORT}, {},
        "Stalled Drifted Missing", id="killed, only reported",
    ),
    pytest.param(
        drifted(in_sync(seen(A, Phase.FAILED))), {"drift": DriftPolicy.IGNORE}, {},
        "Stalled Synced Missing", id="killed, ignored",
    ),
    pytest.param(
        in_sync(), {"suspended": {INSTANCE: "by me"}}, {}, "Suspended Synced Suspended",
        id="suspended as declared",
    ),
    pytest.param(
        observed(), {"suspended": {INSTANCE: "by me"}}, {}, "Suspended Held Suspended",
        id="suspended with work left",
    ),
    pytest.param(
        in_sync(), {"suspended": {"box": "holidays"}}, {}, "Suspended Synced Suspended",
        id="the whole box suspended",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("world", "goal", "outcomes", "expected"), SITUATIONS)
def test_state_sync_and_health(world, goal, outcomes, expected):
    instance = dataclasses.replace(A, drift=goal.get("drift", A.drift))
    wanted = dataclasses.replace(desired(instance), suspended=goal.get("suspended", {}))
    assert " ".join(columns(turn_of(world, wanted).judged(outcomes, {}))) == expected


def test_who_is_suspended_is_not_ready_and_says_who_asked_and_what_is_pending():
    goal = dataclasses.replace(desired(A), suspended={INSTANCE: "by me: benchmarks"})
    turn = turn_of(observed(), goal)
    assert of(turn).message.startswith("by me: benchmarks; pending: ")
    assert said(turn)["Ready"] == "Unknown Suspended"
    assert said(turn)["Suspended"] == "True Suspended"
    assert said(turn)["Stalled"] == "False Suspended"
    assert not box_status(turn).ready


def test_everything_that_is_said_of_an_instance_that_is_as_declared():
    assert said(turn_of(in_sync())) == {
        "Ready": "True AsDeclared",
        "Reconciling": "False AsDeclared",
        "Stalled": "False AsDeclared",
        "Suspended": "False NotSuspended",
        "InSync": "True AsDeclared",
        "Resolved": "True AsDeclared",
        "WeightsReady": "True Stored",
        "Verified": "True Stored",
        "Fits": "True Measured",
        "RuntimeReady": "True SelfTestPassed",
        "Loaded": "True AsDeclared",
        "Serving": "True Routed",
    }


def test_everything_that_is_said_of_an_instance_of_an_empty_box():
    assert said(turn_of(observed(port=None, runtimes=()))) == {
        "Ready": "False Blocked",
        "Reconciling": "True Blocked",
        "Stalled": "False Blocked",
        "Suspended": "False NotSuspended",
        "InSync": "False Edited",
        "Resolved": "True AsDeclared",
        "WeightsReady": "False Absent",
        "Verified": "Unknown Absent",
        "Fits": "Unknown NotKnown",
        "RuntimeReady": "False NotTested",
        "Loaded": "False NoRunner",
        "Serving": "False NotListening",
    }


@pytest.mark.parametrize(
    ("world", "kind", "expected"),
    [
        (in_sync(seen(A, Phase.LOADING)), "Loaded", "False Loading"),
        (in_sync(seen(A, Phase.DRAINING)), "Loaded", "False Draining"),
        (in_sync(seen(A, Phase.DRAINING)), "Serving", "False Draining"),
        (in_sync(seen(A, Phase.FAILED)), "Loaded", "False RunnerFailed"),
        (in_sync(seen(A, Phase.FAILED)), "Serving", "False NoRunner"),
        (in_sync(surface=None), "Serving", "False NoRoute"),
        (in_sync(weights=(suspect(A.weights),)), "WeightsReady", "False ChangedOnDisk"),
        (in_sync(weights=(suspect(A.weights),)), "Verified", "Unknown ChangedOnDisk"),
        (
            in_sync(msgspec.structs.replace(seen(A), weights=("0" * 64,))),
            "Loaded",
            "False OtherWeights",
        ),
    ],
)
def test_one_condition_in_one_situation(world, kind, expected):
    assert said(turn_of(world))[kind] == expected


def test_fits_is_an_estimate_until_it_is_loaded():
    before = msgspec.structs.replace(in_sync(seen(A, Phase.FAILED)), host=host())
    assert said(turn_of(before))["Fits"] == "True Estimated"
    tight = msgspec.structs.replace(before, host=host(64 * MIB))
    assert said(turn_of(tight))["Fits"] == "False DoesNotFit"


def test_an_instance_serves_while_its_replacement_loads():
    longer = want("a", context=8192)
    world = msgspec.structs.replace(
        in_sync(seen(A), seen(longer, Phase.LOADING, started_at=2.0)), host=host()
    )
    turn = turn_of(world, desired(longer, generation=2))
    assert columns(turn) == ("Reconciling", "OutOfSync", "Progressing")
    assert said(turn)["Serving"] == "True Routed"
    assert said(turn)["Loaded"] == "False Loading"


def test_what_nobody_reaches_is_not_ready():
    turn = turn_of(in_sync(port=None))
    assert (of(turn).state, of(turn).message) == (State.RECONCILING, "the gateway does not listen")
    assert said(turn)["Loaded"] == "True AsDeclared"


def test_a_box_is_as_its_worst_object():
    turn = turn_of(in_sync(seen(A, Phase.FAILED))).judged({LOAD: Stalled("no")}, {})
    assert columns(turn, "box") == ("Stalled", "OutOfSync", "Degraded")
    assert said(turn, "box")["Resolved"] == "True ManifestsValid"
    assert of(turn, "box").message == "3 of 4 ready"
    assert columns(turn_of(in_sync()), "box") == ("Ready", "Synced", "Healthy")


def test_what_is_no_longer_declared_keeps_the_box_from_being_ready():
    b = want("b")
    turn = turn_of(in_sync(seen(A), seen(b)))
    assert all(each.state is State.READY for each in turn.standings)
    assert columns(turn, "box") == ("Reconciling", "OutOfSync", "Healthy")


def test_the_report_survives_json_and_says_whether_the_box_is_ready():
    status = box_status(turn_of(in_sync()), roots=("/fleet",))
    assert status.ready
    assert status.url == "http://127.0.0.1:1234"
    assert msgspec.json.decode(msgspec.json.encode(status), type=BoxStatus) == status


def test_a_condition_is_written_as_kubernetes_writes_it():
    turn = turn_of(in_sync())
    kept = remember({}, (turn.box, *turn.standings), now=1_000_000_000.5)
    [view] = [each for each in box_status(turn.dated(kept)).objects if each.key == INSTANCE]
    assert msgspec.json.decode(msgspec.json.encode(view.conditions[0])) == {
        "type": "Ready",
        "status": "True",
        "reason": "AsDeclared",
        "message": "serving as a",
        "observedGeneration": 1,
        "lastTransitionTime": "2001-09-09T01:46:40Z",
    }


def test_a_status_keeps_its_time_until_it_changes():
    fine, broken = turn_of(in_sync()), turn_of(in_sync(seen(A, Phase.FAILED)))
    ready = ConditionType.READY
    memory = remember({}, fine.standings, now=10.0)
    memory = remember(memory, fine.standings, now=20.0)
    assert of(fine.dated(memory)).condition(ready).since == 10.0
    memory = remember(memory, broken.standings, now=30.0)
    assert of(broken.dated(memory)).condition(ready).since == 30.0
    assert of(broken.dated(memory)).condition(ConditionType.VERIFIED).since == 10.0
    assert of(fine.dated(memory)).condition(ready).since == 0.0  # nobody saw it become so


def test_the_last_generation_it_was_ready_for_is_remembered():
    memory = remember({}, turn_of(in_sync()).standings, now=10.0)
    later = turn_of(in_sync(seen(A, Phase.FAILED)), desired(A, generation=7))
    memory = remember(memory, later.standings, now=20.0)
    assert of(later.dated(memory)).ready_generation == 1
    assert msgspec.json.decode(msgspec.json.encode(memory), type=dict[str, Remembered]) == memory


def test_a_broken_manifest_makes_the_box_not_ready_though_everything_serves():
    problem = error(Place("f.yaml", 3, 7), "unknown kind", "did you mean")
    turn = turn_of(in_sync(), None, problem)
    status = box_status(turn)
    assert not status.ready
    assert all(each.ready for each in status.objects)
    assert (status.problems[0].line, status.problems[0].hint) == (3, "did you mean")
    assert said(turn, "box")["Resolved"] == f"False {Reason.MANIFESTS_BROKEN}"
    assert (status.state, status.sync) == (State.STALLED, Sync.SYNCED)


def test_nothing_read_is_nothing_wanted_and_nothing_touched():
    turn = take_turn(Reading(None), in_sync())
    assert turn.plan.empty
    assert turn.judged({}, {}).standings == ()
    status = box_status(turn)
    assert (status.ready, status.url, status.generation) == (False, None, 0)
    assert status.health is HealthState.HEALTHY


def test_a_port_left_open_is_reported_as_the_one_it_got():
    world = msgspec.structs.replace(
        in_sync(), gateway=worlds.SeenGateway(7, "gateway-0", ("127.0.0.1:40123",))
    )
    assert box_status(turn_of(world, desired(A, port=0))).url == "http://127.0.0.1:40123"


def test_a_running_step_is_shown_with_its_progress():
    status = box_status(turn_of(observed()), progress={FETCH: Progress("fetching", 5.0, 10.0, 2.0)})
    step = next(each for each in status.steps if each.key == FETCH)
    assert (step.running, step.done, step.total, step.rate) == (True, 5.0, 10.0, 2.0)
