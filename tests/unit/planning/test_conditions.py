"""What people are told about each object."""

import msgspec

from lmctl.base.diagnostics import Place, error
from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.conditions import Progress, State
from lmctl.planning.outcome import Done, Failed, Stalled, Waiting
from lmctl.planning.report import BoxStatus, box_status
from lmctl.planning.turn import Reading, Turn, take_turn
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

A = want("a")
FETCH = "fetch model/acme/w1@" + A.weights.key[:12]
LOAD = "load instance/a@" + A.spec_digest[:12]


def in_sync():
    surface = worlds.surface_for((A,))
    return observed(seen(A), weights=(stored(A.weights),), surface=surface)


def standing(turn: Turn) -> dict[str, tuple[State, str]]:
    return {each.key: (each.state, each.message) for each in turn.conditions}


def test_in_sync_everything_is_ready_and_says_what_it_is():
    assert standing(take_turn(Reading(desired(A)), in_sync())) == {
        "runtime/llama.cpp": (State.READY, "llama.cpp 0.3.36"),
        "model/acme/w1": (State.READY, "stored, from file"),
        "server/gateway": (State.READY, "listening on 127.0.0.1:1234"),
        "instance/a": (State.READY, "serving as a"),
    }


def test_a_runner_with_another_spec_is_never_ready():
    other = msgspec.structs.replace(seen(A), spec_digest="0" * 64)
    turn = take_turn(Reading(desired(A)), msgspec.structs.replace(in_sync(), runners=(other,)))
    assert standing(turn)["instance/a"][0] is State.RECONCILING


def test_an_empty_box_says_what_it_waits_for():
    turn = take_turn(Reading(desired(A)), observed(port=None, runtimes=()))
    assert standing(turn)["instance/a"] == (
        State.RECONCILING,
        "waits for runtime/llama.cpp, model/acme/w1, server/surface",
    )


def test_trouble_of_what_comes_first_is_told_at_the_instance():
    turn = take_turn(Reading(desired(A)), observed())
    judged = turn.judged({FETCH: Stalled("no such repository")}, {})
    assert standing(judged)["model/acme/w1"] == (State.STALLED, "no such repository")
    assert standing(judged)["instance/a"] == (
        State.STALLED,
        "waits for model/acme/w1: no such repository",
    )


def test_each_ending_has_its_state_and_progress_goes_before_them():
    runners = (seen(A, Phase.FAILED),)
    turn = take_turn(Reading(desired(A)), msgspec.structs.replace(in_sync(), runners=runners))

    def told(outcome, progress=()):
        return standing(turn.judged({LOAD: outcome}, dict(progress)))["instance/a"]

    assert told(Failed("crashed", FailureKind.BUG)) == (State.RETRYING, "crashed")
    assert told(Waiting("busy", 1.0)) == (State.RECONCILING, "busy")
    assert told(Done("loaded")) == (State.RECONCILING, "loaded")
    running = {LOAD: Progress("loading, 40%")}
    assert told(Failed("crashed", FailureKind.BUG), running) == (State.RECONCILING, "loading, 40%")
    assert standing(turn)["instance/a"] == (
        State.RECONCILING,
        "its runner is gone: killed by SIGKILL",
    )


def test_the_report_survives_json_and_says_whether_the_box_is_ready():
    status = box_status(take_turn(Reading(desired(A)), in_sync()), roots=("/fleet",))
    assert status.ready
    assert status.url == "http://127.0.0.1:1234"
    assert msgspec.json.decode(msgspec.json.encode(status), type=BoxStatus) == status


def test_a_broken_manifest_makes_the_box_not_ready_though_everything_serves():
    problem = error(Place("f.yaml", 3, 7), "unknown kind", "did you mean")
    status = box_status(take_turn(Reading(desired(A), (problem,)), in_sync()))
    assert not status.ready
    assert all(each.ready for each in status.objects)
    assert (status.problems[0].line, status.problems[0].hint) == (3, "did you mean")


def test_nothing_read_is_nothing_wanted_and_nothing_touched():
    turn = take_turn(Reading(None), in_sync())
    assert turn.plan.empty
    assert turn.judged({}, {}).conditions == ()
    status = box_status(turn)
    assert (status.ready, status.url, status.generation) == (False, None, 0)


def test_a_port_left_open_is_reported_as_the_one_it_got():
    world = msgspec.structs.replace(
        in_sync(), gateway=worlds.SeenGateway(7, "gateway-0", ("127.0.0.1:40123",))
    )
    assert box_status(take_turn(Reading(desired(A, port=0)), world)).url == "http://127.0.0.1:40123"


def test_a_running_step_is_shown_with_its_progress():
    turn = take_turn(Reading(desired(A)), observed())
    status = box_status(turn, progress={FETCH: Progress("fetching", 5.0, 10.0, 2.0)})
    step = next(each for each in status.steps if each.key == FETCH)
    assert (step.running, step.done, step.total, step.rate) == (True, 5.0, 10.0, 2.0)
