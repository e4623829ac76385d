"""What the control plane counts of its own work."""

import dataclasses

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lmctl.adapters.metrics import catalogue
from lmctl.adapters.metrics.control import ControlMetrics
from lmctl.base.diagnostics import Place, error
from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.conditions import Progress
from lmctl.planning.outcome import Done, Failed, Superseded
from lmctl.planning.plan import FetchWeights, LoadInstance, Planned, UnloadInstance
from lmctl.planning.policies import wanted_digests
from lmctl.planning.turn import Reading, take_turn
from tests.support.worlds import desired, host, observed, seen, stored, surface_for, want

CHAT = want("chat")
LOAD = Planned(LoadInstance(CHAT), "because")
FETCH = Planned(FetchWeights(CHAT.weights), "because")
UNLOAD = Planned(UnloadInstance("chat", "u1", 30.0), "because")
MIB = 1024**2


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    return ControlMetrics(clock)


def turn(*runners, goal=None, problems=(), drift=True, **more):
    goal = goal or desired(CHAT)
    world = observed(
        *(runners or (seen(CHAT),)), weights=(stored(CHAT.weights),), surface=surface_for((CHAT,))
    )
    known = wanted_digests(desired(CHAT)) if drift else {}
    world = msgspec.structs.replace(world, converged=known, **more)
    return take_turn(Reading(goal, problems), world)


def saw(metrics, told, *, running=frozenset()):
    metrics.turn_began()
    metrics.turn(told, digest="0123456789abcdef", running=running)


def families(metrics):
    return list(text_string_to_metric_families(metrics.text().decode()))


def value(metrics, name, **labels) -> float:
    found = [each for family in families(metrics) for each in family.samples if each.name == name]
    return sum(each.value for each in found if labels.items() <= each.labels.items())


def test_every_metric_is_of_the_catalogue_and_all_of_it_is_there(metrics):
    known = {each.name.removesuffix("_total"): each for each in catalogue.CONTROL}
    found = {each.name: each for each in families(metrics)}
    assert found.keys() == known.keys()
    for name, family in found.items():
        assert (family.type, family.documentation) == (known[name].kind, known[name].help)


def test_objects_are_counted_by_what_is_true_of_them(metrics):
    saw(metrics, turn(seen(CHAT, Phase.FAILED)))
    assert value(metrics, "lmctl_objects", kind="instance", condition="Declared") == 1
    assert value(metrics, "lmctl_objects", kind="instance", condition="Ready") == 0
    assert value(metrics, "lmctl_objects", kind="model", condition="Verified") == 1
    assert value(metrics, "lmctl_generation_info", generation="1", digest="0123456789ab") == 1
    saw(metrics, turn(goal=desired(CHAT, generation=2)))
    assert value(metrics, "lmctl_objects", kind="instance", condition="Ready") == 1
    assert value(metrics, "lmctl_generation") == 2
    assert value(metrics, "lmctl_generation_info") == 1  # the one before is not told any more


def test_drift_and_deaths_are_counted_once_each(metrics):
    dead = msgspec.structs.replace(seen(CHAT, Phase.FAILED), failure=FailureKind.CAPACITY)
    for _ in range(3):
        saw(metrics, turn(dead))
    assert value(metrics, "lmctl_drift_total", kind="instance", type="load") == 1
    restarts = "lmctl_instance_restarts_total"
    assert value(metrics, restarts, instance="chat", reason="capacity") == 1
    saw(metrics, turn())
    saw(metrics, turn(msgspec.structs.replace(dead, uid="another", failure=None)))
    assert value(metrics, "lmctl_drift_total") == 2
    assert value(metrics, restarts, reason="unknown") == 1


def test_what_is_suspended_is_not_restarted_and_does_not_wait(metrics):
    goal = dataclasses.replace(desired(CHAT), suspended={"box": "by me"})
    saw(metrics, turn(seen(CHAT, Phase.FAILED), goal=goal))
    assert value(metrics, "lmctl_instance_restarts_total") == 0
    assert value(metrics, "lmctl_reconcile_queue_depth") == 0


def test_steps_are_counted_with_their_endings_and_times(metrics, clock):
    for planned, outcome, seconds in (
        (LOAD, Done("loaded"), 2.0),
        (LOAD, Failed("died", FailureKind.BUG), 1.0),
        (UNLOAD, Done("unloaded"), 3.0),
        (FETCH, Failed("sha256 differs", FailureKind.INTEGRITY), 1.0),
        (FETCH, Superseded("an edit"), 1.0),
    ):
        metrics.began(planned)
        clock.now += seconds
        metrics.ended(planned, outcome)
    steps = "lmctl_reconcile_total"
    assert value(metrics, steps, kind="instance", op="load", result="done") == 1
    assert value(metrics, steps, kind="instance", op="load", result="failed") == 1
    assert value(metrics, steps, kind="model", op="fetch", result="superseded") == 1
    assert value(metrics, "lmctl_reconcile_duration_seconds_sum", op="load") == 3.0
    assert value(metrics, "lmctl_drain_seconds_sum") == 3.0
    assert value(metrics, "lmctl_verify_failures_total") == 1


def test_fetched_bytes_are_those_of_this_fetch(metrics):
    for done in (100 * MIB, 100 * MIB, 110 * MIB, 150 * MIB):  # 100 were there before
        metrics.progress(FETCH.key, Progress("fetching", done, 200 * MIB))
    metrics.progress(LOAD.key, Progress("loading", 0.5, 1.0))
    metrics.ended(FETCH, Failed("lost", FailureKind.TRANSIENT))
    metrics.progress(FETCH.key, Progress("fetching", 150 * MIB, 200 * MIB))
    metrics.progress(FETCH.key, Progress("fetching", 160 * MIB, 200 * MIB))
    assert value(metrics, "lmctl_download_bytes_total") == 60 * MIB


def test_a_replacement_lasts_from_ready_to_ready(metrics, clock):
    longer = want("chat", context=8192)
    saw(metrics, turn())
    clock.now += 5.0
    saw(metrics, turn(goal=desired(longer, generation=2), drift=False))
    clock.now += 7.0
    saw(metrics, turn(goal=desired(longer, generation=2), drift=False))
    clock.now += 1.0
    saw(metrics, turn())
    assert value(metrics, "lmctl_replace_seconds_count") == 1
    assert value(metrics, "lmctl_replace_seconds_sum") == 8.0


def test_the_queue_is_what_could_run_and_does_not(metrics, clock):
    told = turn(seen(CHAT, Phase.FAILED))
    saw(metrics, told)
    clock.now += 4.0
    saw(metrics, told)
    assert value(metrics, "lmctl_reconcile_queue_depth") == 1
    assert value(metrics, "lmctl_reconcile_queue_age_seconds") == 4.0
    saw(metrics, told, running=frozenset(told.plan.by_key()))
    assert value(metrics, "lmctl_reconcile_queue_depth") == 0
    assert value(metrics, "lmctl_reconcile_queue_age_seconds") == 0.0


def test_broken_manifests_grow_old(metrics, clock):
    saw(metrics, turn())
    clock.now += 30.0
    saw(metrics, turn(problems=(error(Place("f.yaml"), "broken"),)))
    assert value(metrics, "lmctl_source_age_seconds") == 30.0
    assert value(metrics, "lmctl_manifest_problems", severity="error") == 1
    metrics.turn_broke()
    assert value(metrics, "lmctl_turns_total", result="done") == 2
    assert value(metrics, "lmctl_turns_total", result="broke") == 1


def test_memory_is_budget_estimate_and_what_is_seen(metrics):
    saw(metrics, turn(host=host(2048 * MIB)))
    memory = "lmctl_memory_bytes"
    assert value(metrics, memory, instance="chat", kind="observed") == 200 * MIB
    assert value(metrics, memory, instance="chat", kind="estimate") > 98 * MIB
    assert value(metrics, memory, instance="", kind="budget") == 1024 * MIB
