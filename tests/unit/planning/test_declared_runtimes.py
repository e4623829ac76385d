"""Runtimes that files declare: what runs on which, what a change of one costs, and in which order."""

import msgspec
import pytest

from lmctl.base.changes import ChangeClass
from lmctl.manifests import bundle
from lmctl.planning.desired import DesiredState
from lmctl.planning.fit.measured import measured
from lmctl.planning.observed import ObservedState, SeenRuntime
from lmctl.planning.plan import EnsureRuntime, Plan
from lmctl.planning.planner import make_plan
from lmctl.planning.policies import converged
from lmctl.planning.wanted_runtimes import Build, WantedRuntime
from tests.support.worlds import observed, seen, stored
from tests.unit.planning.test_resolve import INSTANCE, MODEL, instance, resolved

MINE = """\
apiVersion: lmctl/v1alpha1
kind: Runtime
metadata: {name: mine}
spec: {engine: llama.cpp, version: "0.3.35", environment: {A: b}}
"""
USED = instance("{model: acme/small, runtime: mine}")
SERVER = """\
apiVersion: lmctl/v1alpha1
kind: Server
metadata: {name: box}
spec: {defaults: {runtime: mine}}
"""
BUILD = Build("llama-cpp-python", "0.3.35", environment={"A": "b"})


def running(goal: DesiredState) -> ObservedState:
    """The world in which a goal is reached, but for what listens."""
    runners = [
        msgspec.structs.replace(seen(each), engine=each.engine, build=str(each.build or ""))
        for each in goal.instances
    ]
    return (
        observed(*runners, weights=[stored(each) for each in goal.weights])
        if runners
        else observed()
    )


def steps(plan: Plan) -> list[str]:
    return [each.key.partition("@")[0] for each in plan.steps]


def test_what_is_declared_is_wanted_used_or_not():
    found = resolved(MODEL, INSTANCE, MINE).desired
    assert found.runtimes == (
        WantedRuntime("llama.cpp", "llama.cpp"),
        WantedRuntime("mine", "llama.cpp", BUILD),
    )
    (planned,) = [each for each in make_plan(found, observed()).steps
                  if isinstance(each.step, EnsureRuntime)]  # fmt: skip
    assert (planned.because, planned.download) == ("declared", None)


def test_an_instance_waits_for_the_runtime_it_names():
    found = resolved(MODEL, USED, MINE).desired
    assert found.instances[0].build == BUILD
    plan = make_plan(found, observed(port=None, runtimes=("llama.cpp",)))
    (load,) = [each for each in plan.steps if each.key.startswith("load ")]
    (ensure,) = [each for each in plan.steps if each.key.startswith("ensure ")]
    assert ensure.key in load.after
    assert ensure.because == "needed by instance chat"


def test_the_server_says_what_runs_gguf_where_nothing_else_does():
    found = resolved(MODEL, INSTANCE, MINE, SERVER).desired
    assert found.instances[0].runtime == "mine"
    named = resolved(MODEL, instance("{model: acme/small, runtime: llama.cpp}"), MINE, SERVER)
    assert named.desired.instances[0].runtime == "llama.cpp"


def test_a_default_that_nobody_declares_is_told_with_its_place():
    (problem,) = bundle.read({"f/a.yaml": SERVER.encode()}).diagnostics
    assert problem.message == "no Runtime `mine` is declared"
    assert problem.place.line == 4


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("0.3.35", "0.3.34", False),
        ("A: b", "A: c", False),
        ("engine: llama.cpp,", "engine: llama.cpp, buildFlags: [-DX=1],", False),
        ("{A: b}", '{"A": "b"}', True),
    ],
)
def test_what_a_runtime_is_made_of_is_part_of_what_runs_on_it(before, after, same):
    (old,) = resolved(MODEL, USED, MINE).desired.instances
    (new,) = resolved(MODEL, USED, MINE.replace(before, after)).desired.instances
    assert (old.spec_digest == new.spec_digest) is same


def test_a_runtime_under_another_name_is_the_same_runtime():
    (old,) = resolved(MODEL, USED, MINE).desired.instances
    other = [each.replace("mine", "other") for each in (USED, MINE)]
    (new,) = resolved(MODEL, *other).desired.instances
    assert old.spec_digest == new.spec_digest


def test_a_new_pin_replaces_what_runs_on_it_and_says_from_what_to_what():
    before = running(resolved(MODEL, USED, MINE).desired)
    goal = resolved(MODEL, USED, MINE.replace("0.3.35", "0.3.34")).desired
    plan = make_plan(goal, before)
    (load,) = [each for each in plan.steps if each.key.startswith("load ")]
    (change,) = load.changes
    assert str(change) == "runtime: llama-cpp-python 0.3.35 -> llama-cpp-python 0.3.34"
    assert change.change_class is ChangeClass.REPLACE


def test_the_bundled_runtime_is_left_by_name():
    before = running(resolved(MODEL, INSTANCE).desired)
    plan = make_plan(resolved(MODEL, USED, MINE).desired, before)
    (load,) = [each for each in plan.steps if each.key.startswith("load ")]
    assert [str(each) for each in load.changes] == ["runtime: llama.cpp -> llama-cpp-python 0.3.35"]


def test_what_was_measured_is_of_the_version_that_ran():
    world = running(resolved(MODEL, USED, MINE).desired)
    (runner,) = world.runners
    runner = msgspec.structs.replace(runner, memory_peak=5, widest_step=1, weights=("a",))
    world = msgspec.structs.replace(
        world, runners=(runner,), runtimes={"llama.cpp": SeenRuntime("llama.cpp", "0.3.36")}
    )
    assert [each.version for each in measured(world)] == ["0.3.35"]


def test_a_prebuilt_package_takes_no_flags():
    text = MINE.replace("engine:", "package: xllamacpp, buildFlags: [-DX=1], engine:")
    (problem,) = bundle.read({"f/a.yaml": text.encode()}).diagnostics
    assert "`buildFlags` have no effect: xllamacpp is taken prebuilt" in problem.message


def test_secrets_of_variables_are_references_and_part_of_what_runs():
    secret = SERVER.replace("defaults: {runtime: mine}", "secrets: {told: {env: X}}")
    named = MINE.replace("A: b", 'A: "${secret:told}"')
    (one,) = resolved(MODEL, USED, named, secret).desired.instances
    (other,) = resolved(MODEL, USED, named, secret.replace("env: X", "env: Y")).desired.instances
    assert one.build.secrets["told"]["env"] == "X"
    assert one.spec_digest != other.spec_digest


def test_a_new_pin_is_an_edit_and_an_environment_that_is_gone_is_drift():
    server = SERVER.replace("defaults: {runtime: mine}", "reconcile: {drift: report}")
    first = resolved(MODEL, USED, MINE, server).desired
    second = resolved(MODEL, USED, MINE.replace("0.3.35", "0.3.34"), server).desired
    known = converged(first, frozenset(), {})
    world = msgspec.structs.replace(running(first), converged=known)
    (edit,) = [each for each in make_plan(second, world).steps if each.key.startswith("ensure ")]
    (drift,) = [each for each in make_plan(first, world).steps if each.key.startswith("ensure ")]
    assert (edit.drift, bool(edit.held)) == (False, False)
    assert (drift.drift, bool(drift.held)) == (True, True)
