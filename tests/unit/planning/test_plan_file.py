"""Plans that are written down: what they say, what they keep to themselves, when they are stale."""

import dataclasses
import hashlib
import hmac

import msgspec
import pytest

from lmctl.base.spec import Phase
from lmctl.planning.limits import limited
from lmctl.planning.plan_file import (
    GitRevision,
    Origin,
    PlanFile,
    Proposed,
    Revision,
    encode,
    moved,
    plan_file,
)
from lmctl.planning.plan_view import plan_view
from lmctl.planning.planner import make_plan
from lmctl.planning.weights_values import SeenWeights, UrlSource, Weights, WeightsState
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

A, B = want("a"), want("b", on="w2")
A_LONGER = want("a", context=8192)
ORIGIN = Origin("0.1.0", "host", "lineage-1", 7, "2026-11-25T00:00:00Z")
REVISION = Revision("d" * 64, ("/fleet",), GitRevision("c" * 40, dirty=True))


def in_sync(*instances):
    return observed(
        *(seen(each) for each in instances),
        weights=tuple(stored(each.weights) for each in instances),
        surface=worlds.surface_for(instances),
    )


def mark(content: bytes) -> str:
    return hmac.new(b"key", content, hashlib.sha256).hexdigest()[:16]


def written(goal=None, world=None, **changes) -> PlanFile:
    goal, world = goal or desired(A_LONGER), world or in_sync(A)
    plan = make_plan(goal, world)
    proposed = Proposed(plan, world, plan_view(plan, world, places={}))
    revision = changes.pop("revision", REVISION)
    origin = msgspec.structs.replace(ORIGIN, **changes)
    only = tuple(sorted(goal.only))
    return plan_file(proposed, origin=origin, revision=revision, fingerprint=mark, only=only)


def test_equal_plans_are_the_same_bytes_and_can_be_read_back():
    file = written()
    assert encode(file) == encode(written())
    assert msgspec.json.decode(encode(file), type=PlanFile) == file
    assert file.whole
    assert not msgspec.structs.replace(file, base_serial=8).whole
    assert [each.step.op for each in file.actions] == ["switch", "unload", "load"]
    assert file.view.totals == file.totals


def test_what_did_not_move_may_be_applied():
    later = written(at="2026-11-25T09:00:00Z", version="0.2.0")
    assert list(moved(written(), later)) == []


def test_neither_lines_nor_the_number_of_the_generation_count():
    elsewhere = dataclasses.replace(A_LONGER, places={"": "other.yaml:7"})
    assert list(moved(written(), written(desired(elsewhere, generation=9)))) == []


DEAD = msgspec.structs.replace(in_sync(A), runners=(seen(A, Phase.FAILED),))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param({"host_id": "other"}, ["it was made on another host"], id="host"),
        pytest.param(
            {"lineage": "lineage-2"},
            ["it was made for another state database: lineage-1, here lineage-2"],
            id="lineage",
        ),
        pytest.param(
            {"serial": 9},
            ["the box went on since: 2 action(s) ended (serial 7, now 9)"],
            id="serial",
        ),
        pytest.param(
            {"revision": Revision("e" * 64, ("/fleet",))},
            ["the manifests changed: dddddddddddd, now eeeeeeeeeeee"],
            id="manifests",
        ),
        pytest.param({"goal": desired(A)}, None, id="in sync"),
    ],
)
def test_what_moved_is_said(now, expected):
    found = list(moved(written(), written(**now)))
    assert found == expected if expected else found


def test_that_a_runner_died_is_said():
    runner = seen(A).uid
    found = list(moved(written(), written(world=DEAD)))
    assert f"instance/a: was runner {runner} ready, now runner {runner} failed" in found


def test_a_step_that_may_not_be_done_any_more_is_said():
    held = dataclasses.replace(desired(A_LONGER), suspended={"instance/a": "demo"})
    found = list(moved(written(), written(held)))
    assert any(
        each.startswith("not to be done now: load instance/a@") and each.endswith("suspended: demo")
        for each in found
    ), found


def test_a_plan_that_was_applied_says_only_that():
    now = written(serial=99, lineage="other")
    assert list(moved(written(), now, consumed="today")) == ["it was applied already, today"]


def test_no_secret_is_written():
    canary = "CANARY-9f3a"
    secret = UrlSource(
        f"https://user:{canary}@example.com/w.gguf?token={canary}", "w.gguf", "ab" * 32
    )
    weights = Weights("acme/w1", (secret,))
    goal = dataclasses.replace(
        desired(dataclasses.replace(A, weights=weights, spec_digest="other")), weights=(weights,)
    )
    reason = f"cannot reach https://user:{canary}@example.com/?api_key={canary}"
    absent = SeenWeights(weights.key, WeightsState.ABSENT, reason=reason)
    world = in_sync(A)
    world = msgspec.structs.replace(world, weights={**world.weights, weights.key: absent})
    file = written(goal, world)
    assert "cannot reach https://user:***********@example.com/" in encode(file).decode()
    assert canary not in encode(file).decode()


def test_only_some_objects_and_what_they_need():
    goal = limited(desired(A, B), ["instance/b"])
    file = written(goal, observed(port=None, runtimes=()))
    keys = [each.step.key.split("@")[0] for each in file.actions]
    assert keys == [
        "ensure runtime/llama.cpp",
        "fetch model/acme/w2",
        "publish surface",
        "start gateway",
        "load instance/b",
    ]
    why = "suspended: not asked for (`--only instance/b`)"
    assert {each.step.held for each in file.blocked} == {why}
    assert file.only == ("instance/b",)


def test_what_is_needed_does_not_move_the_server_nor_end_what_nobody_named():
    goal = limited(desired(B, port=4321), ["instance/b"])
    held = {
        each.step.key.split("@")[0]: each.step.held for each in written(goal, in_sync(A)).blocked
    }
    assert held["start gateway"] == "not asked for (`--only instance/b`)"
    assert held[f"unload instance/a#{seen(A).uid}"] == "not asked for (`--only instance/b`)"
    both = limited(goal, ["instance/b", "server/gateway", "instance/a"])
    assert not written(both, in_sync(A)).blocked
