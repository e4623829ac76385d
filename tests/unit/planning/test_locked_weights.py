"""What a lock changes in a plan: nothing when it says what runs, the weights when it says others."""

from dataclasses import replace
from textwrap import dedent

import msgspec
import pytest

from lmctl.base.spec import Phase
from lmctl.manifests.bundle import read
from lmctl.manifests.lock import Lock, LockedFile, LockedModel, LockedSource, render
from lmctl.manifests.sources import FileSource
from lmctl.planning.desired import DesiredState, DriftPolicy
from lmctl.planning.locking import lock_of, unlocked, wishes
from lmctl.planning.observed import ObservedState, SeenGateway, SeenRunner, SeenRuntime
from lmctl.planning.plan import FetchWeights, LoadInstance, Plan, SwitchRoute, UnloadInstance
from lmctl.planning.planner import make_plan
from lmctl.planning.policies import wanted_digests
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.rollout import NO_CHECKS
from lmctl.planning.weights_values import (
    SeenWeights,
    StoredFile,
    StoredWeights,
    Weights,
    WeightsState,
)

OLD, NEW = "aa" * 32, "bb" * 32
MODEL = """\
model: acme/m
base:
  - key: acme/m-gguf
    sources:
      - {type: file, path: m.gguf}
      - {type: file, path: mirror.gguf}
"""
FILES = {
    "/fleet/models/model.yaml": MODEL,
    "/fleet/chat.yaml": dedent("""\
        apiVersion: lmctl/v1alpha1
        kind: Instance
        metadata: {name: chat}
        spec: {model: acme/m, identifier: chat, strategy: {type: surge}}
        """),
}


def source(path, sha256, *, commit=None):
    return LockedSource.model_construct(
        source=FileSource.model_validate({"type": "file", "path": path}),
        commit=commit,
        wheels=(),
        files=(LockedFile.model_validate({"path": path, "size": 3, "sha256": sha256}),),
    )


def lock(*sources):
    entry = LockedModel.model_construct(model="acme/m", key="acme/m-gguf", sources=sources)
    return render(Lock.model_construct(lock_version=1, models=(entry,)))


def reading(text=None, model=MODEL):
    files = {**FILES, "/fleet/models/model.yaml": model}
    if text is not None:
        files["/fleet/lmctl.lock"] = text
    return read({name: content.encode() for name, content in files.items()})


def desired(text=None, *, recorded=(), model=MODEL) -> DesiredState:
    host = HostFacts(sockets="/run", recorded={each.key: each.sha256s for each in recorded})
    found = reading(text, model)
    assert not found.fatal, found.diagnostics
    return resolve(found.bundle, host).desired


def weights(goal: DesiredState) -> Weights:
    [found] = goal.weights
    return found


def record(goal: DesiredState, sha256: str) -> StoredWeights:
    file = StoredFile("m.gguf", sha256, 3, 1, 1)
    return StoredWeights(weights(goal).key, "acme/m", "file", (file,), (), 0.0)


def running(goal: DesiredState, stored: StoredWeights) -> ObservedState:
    """A box that runs a goal with these weights."""
    [want] = goal.instances
    runner = SeenRunner(
        name="chat", uid="u1", spec_digest=want.spec_digest, phase=Phase.READY, pid=7,
        model="acme/m", weights=stored.sha256s, load=want.load, socket=want.socket,
        proven=NO_CHECKS,
    )  # fmt: skip
    gateway = goal.gateway
    assert gateway is not None
    return ObservedState(
        weights={stored.key: SeenWeights(stored.key, WeightsState.STORED, stored, linked=True)},
        runtimes={"llama.cpp": SeenRuntime("llama.cpp", "1")},
        runners=(runner,),
        gateway=SeenGateway(8, gateway.digest, ("127.0.0.1:1234",)),
        surface=goal.surface,
    )


def steps(plan: Plan) -> set[type]:
    return {type(each.step) for each in plan.steps}


def test_a_lock_of_what_is_stored_and_runs_changes_nothing():
    before = desired()
    stored = record(before, OLD)
    after = desired(lock(source("m.gguf", OLD)), recorded=[stored])

    assert weights(after).pinned
    assert weights(after).key == stored.key
    assert after.instances[0].spec_digest == before.instances[0].spec_digest
    assert make_plan(after, running(before, stored)).empty


def test_a_lock_of_other_bytes_fetches_them_and_replaces_the_runner_beside_it():
    before = desired()
    stored = record(before, OLD)
    after = desired(lock(source("m.gguf", NEW)), recorded=[stored])
    plan = make_plan(after, running(before, stored))

    assert steps(plan) == {FetchWeights, LoadInstance, SwitchRoute, UnloadInstance}
    assert [type(each.step) for each in plan.ready()] == [FetchWeights]
    assert plan.steps[0].download == 3


def test_a_lock_written_before_anything_was_stored_gives_the_same_weights_everywhere():
    one = desired(lock(source("m.gguf", OLD)))
    other = desired(lock(source("m.gguf", OLD)), recorded=[record(desired(), NEW)])

    assert weights(one) == weights(other)
    assert weights(one).key != weights(desired()).key


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (lock(source("m.gguf", OLD, commit="1" * 40)), MODEL),
        (lock(source("m.gguf", OLD), source("mirror.gguf", NEW)), MODEL),
        (lock(source("m.gguf", OLD)), MODEL.replace("path: mirror.gguf", "path: other.gguf")),
        (lock(source("n.gguf", OLD)), MODEL.replace("path: m.gguf", "path: n.gguf")),
    ],
    ids=["another commit", "another source after it", "an edit of that", "the same file elsewhere"],
)
def test_locked_weights_are_their_bytes_whatever_else_the_lock_says(text, model):
    assert (
        weights(desired(text, model=model)).key == weights(desired(lock(source("m.gguf", OLD)))).key
    )


def test_the_bytes_of_the_first_locked_source_are_the_weights():
    key = weights(desired(lock(source("m.gguf", OLD)))).key

    assert weights(desired(lock(source("m.gguf", NEW)))).key != key
    assert weights(desired(lock(source("mirror.gguf", OLD)))).key == key
    assert [str(each) for each in weights(desired(lock(source("mirror.gguf", OLD)))).offers] == [
        "file /fleet/models/mirror.gguf"
    ]


def test_what_another_source_served_counts_when_that_is_locked_too():
    goal = desired(lock(source("m.gguf", OLD), source("mirror.gguf", NEW)))

    assert weights(goal).accepts((NEW,))
    assert weights(goal).accepts((OLD,))
    assert not weights(goal).accepts(("cc" * 32,))


def test_an_edited_source_is_as_if_it_had_never_been_locked():
    text = lock(source("m.gguf", OLD))
    edited = MODEL.replace("path: m.gguf", "path: other.gguf")

    assert not weights(desired(text, model=edited)).pinned
    assert weights(desired(text, model=edited)) == weights(desired(model=edited))


def test_a_child_model_is_what_its_parent_is_locked_to():
    files = {
        "/fleet/a.model.yaml": MODEL,
        "/fleet/b.model.yaml": "model: acme/child\nbase: acme/m\n",
        "/fleet/lmctl.lock": lock(source("m.gguf", OLD)),
    }
    found = read({name: content.encode() for name, content in files.items()})
    goal = resolve(found.bundle, HostFacts(sockets="/run")).desired

    assert {each.model: each.pinned[0].sha256s for each in goal.weights} == {
        "acme/child": (OLD,),
        "acme/m": (OLD,),
    }


def test_what_is_here_already_is_not_downloaded():
    goal = desired(lock(source("m.gguf", OLD)))
    key = weights(goal).key

    def download(here):
        seen = SeenWeights(key, WeightsState.ABSENT, here=frozenset(here))
        plan = make_plan(goal, msgspec.structs.replace(ObservedState(), weights={key: seen}))
        return next(each.download for each in plan.steps if isinstance(each.step, FetchWeights))

    assert (download([]), download([OLD])) == (3, 0)


class TestWishes:
    def test_every_source_is_wished_for_with_what_is_locked_of_it(self):
        bundle = reading(lock(source("mirror.gguf", OLD))).bundle
        found = wishes(bundle, ["/fleet"], user="/", recorded={})

        assert [(each.words, each.locked is None) for each in found] == [
            ("file m.gguf", True),
            ("file mirror.gguf", False),
        ]
        kept = {each: each.locked for each in found if each.locked}
        assert render(lock_of("/fleet", found, kept)) == lock(source("mirror.gguf", OLD))
        assert render(lock_of("/other", found, kept)) == render(lock_of("/fleet", (), {}))

    def test_one_locked_source_is_enough_to_need_no_resolving(self):
        assert [name for name, _ in unlocked(reading().bundle)] == ["acme/m"]
        assert unlocked(reading(lock(source("mirror.gguf", OLD))).bundle) == ()

    def test_a_model_belongs_to_the_innermost_folder_that_is_named(self):
        [wish, _] = wishes(reading().bundle, ["/fleet", "/fleet/models"], user="/", recorded={})

        assert wish.root == "/fleet/models"

    def test_a_model_that_another_lock_locks_is_left_to_it(self):
        files = {
            "/fleet/models/model.yaml": MODEL,
            "/fleet/models/lmctl.lock": lock(source("m.gguf", OLD)),
        }
        bundle = read({name: content.encode() for name, content in files.items()}).bundle

        assert wishes(bundle, ["/fleet"], user="/", recorded={}) == ()
        assert len(wishes(bundle, ["/fleet/models"], user="/", recorded={})) == 2


class TestSpoiled:
    """A runner that had loaded a file before it was found damaged."""

    def box(self, policy, *, stored=True):
        goal = replace(desired(), drift=DriftPolicy(policy))
        goal = replace(goal, instances=tuple(replace(i, drift=goal.drift) for i in goal.instances))
        world = running(goal, record(goal, OLD))
        runner = msgspec.structs.replace(world.runners[0], spoiled=True)
        world = msgspec.structs.replace(world, runners=(runner,), converged=wanted_digests(goal))
        if not stored:
            seen = SeenWeights(weights(goal).key, WeightsState.ABSENT, reason="damaged")
            world = msgspec.structs.replace(world, weights={seen.key: seen})
        return goal, world

    def test_it_is_replaced_and_that_is_drift(self):
        plan = make_plan(*self.box("correct"))

        unload = next(each for each in plan.steps if isinstance(each.step, UnloadInstance))
        assert unload.because == "its weights were found damaged on disk after it loaded them"
        assert LoadInstance in steps(plan)
        assert all(each.drift for each in plan.steps if each.step.subject == "instance/chat")
        assert not any(each.held for each in plan.steps)

    def test_it_serves_on_until_whole_weights_are_here(self):
        plan = make_plan(*self.box("correct", stored=False))

        assert [type(each.step) for each in plan.ready()] == [FetchWeights]

    def test_it_is_only_reported_or_left_alone_where_policy_says_so(self):
        reported = make_plan(*self.box("report"))
        about = [each for each in reported.steps if each.step.subject == "instance/chat"]
        assert about
        assert all(each.held for each in about)

        ignored = make_plan(*self.box("ignore"))
        assert not [each for each in ignored.steps if each.step.subject == "instance/chat"]
