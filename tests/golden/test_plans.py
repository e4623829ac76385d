"""What people see before anything happens: whole plans, in `plans/`, for edits of real manifests.

The world is what carrying out the manifests before the edit leaves behind. After a wanted change:
`LMCTL_GOLDEN=write pytest tests/golden/test_plans.py`, and read what changed.
"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from lmctl.base.spec import Phase
from lmctl.cli.render_github import annotations, markdown
from lmctl.cli.render_plan import render_plan
from lmctl.manifests import bundle
from lmctl.planning.desired import DesiredState, DriftPolicy
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan_view import PlanView, only_drift, plan_view
from lmctl.planning.planner import make_plan
from lmctl.planning.policies import wanted_digests
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.rollout import attempt_of
from tests.support.worlds import FACTS, MIB, carry_out, host, suspect

PLANS = Path(__file__).parent / "plans"
WRITE = os.environ.get("LMCTL_GOLDEN") == "write"

SMALL = """\
model: acme/small
base:
  - key: acme/small-gguf
    sources:
      - {type: file, path: /weights/small-q4.gguf}
config:
  operation:
    fields:
      - {key: llm.prediction.temperature, value: 0.2}
"""
LARGE = """\
model: acme/large
base:
  - key: acme/large-gguf
    sources:
      - {type: huggingface, user: acme, repo: large-GGUF}
"""
CHAT = """\
apiVersion: lmctl/v1alpha1
kind: Instance
metadata:
  name: chat
spec:
  model: acme/small
  identifier: chat
  load:
    contextLength: 4096
"""
SERVER = """\
listen:
  port: 1234
limits:
  queue: 64
"""
FLEET = {
    "fleet/models/small/model.yaml": SMALL,
    "fleet/chat.yaml": CHAT,
    "fleet/server.yaml": SERVER,
}
HOST = HostFacts(sockets="/run/lmctl", control="/run/lmctl/control.sock")
PAST = {"load": 3.2, "unload": 0.9, "start": 0.6, "stop": 0.4}


def desire(files: dict[str, str]) -> DesiredState:
    reading = bundle.read({name: dedent(text).encode() for name, text in files.items()})
    assert not reading.fatal, reading.diagnostics
    resolution = resolve(reading.bundle, HOST, generation=1)
    assert not resolution.fatal, resolution.diagnostics
    return resolution.desired


def converged(desired: DesiredState) -> ObservedState:
    """The world in which everything was done, by the planner's own steps."""
    world = ObservedState()
    for _ in range(9):
        for each in make_plan(desired, world).steps:
            world = carry_out(each.step, world)
    known = {
        "facts": dict.fromkeys(world.weights, FACTS),
        "converged": wanted_digests(desired),
    }
    listening = msgspec.structs.replace(world.gateway, binds=("127.0.0.1:1234",), workers=1)
    world = msgspec.structs.replace(world, gateway=listening, **known)
    assert make_plan(desired, world).empty
    return world


def edited(**files: tuple[str, str]) -> dict[str, str]:
    """The fleet with one text replaced in each named file."""
    found = dict(FLEET)
    for stem, (old, new) in files.items():
        name = next(each for each in found if stem in each)
        assert old in found[name]
        found[name] = found[name].replace(old, new)
    return found


def view(
    files: dict[str, str],
    *,
    world: Callable[[ObservedState, DesiredState], ObservedState] = lambda seen, _: seen,
    goal: Callable[[DesiredState], DesiredState] = lambda desired: desired,
    before: dict[str, str] | None = None,
    past: bool = True,
) -> PlanView:
    desired = goal(desire(files))
    observed = world(converged(desire(before or FLEET)), desired)
    plan = make_plan(desired, observed)
    typical = {each.key: PAST.get(each.key.partition(" ")[0]) for each in plan.steps}
    return plan_view(plan, observed, places=desired.places, typical=typical if past else None)


def nothing(_seen: ObservedState, _desired: DesiredState) -> ObservedState:
    return ObservedState()


def roomy(seen: ObservedState, _desired: DesiredState) -> ObservedState:
    return msgspec.structs.replace(seen, host=host())


def sized(seen: ObservedState, desired: DesiredState) -> ObservedState:
    return msgspec.structs.replace(
        seen, downloads={each.key: 2048 * MIB for each in desired.weights}
    )


def dead(seen: ObservedState, _desired: DesiredState) -> ObservedState:
    gone = {"phase": Phase.FAILED, "pid": 0, "reason": "killed by SIGKILL", "proven": ""}
    runners = tuple(msgspec.structs.replace(each, **gone) for each in seen.runners)
    return msgspec.structs.replace(seen, runners=runners)


def flipped(seen: ObservedState, desired: DesiredState) -> ObservedState:
    weights = {each.key: suspect(each) for each in desired.weights}
    return msgspec.structs.replace(seen, weights=weights)


def with_drift(policy: DriftPolicy) -> Callable[[DesiredState], DesiredState]:
    def change(desired: DesiredState) -> DesiredState:
        instances = tuple(dataclasses.replace(each, drift=policy) for each in desired.instances)
        return dataclasses.replace(desired, instances=instances)

    return change


def suspended(desired: DesiredState) -> DesiredState:
    return dataclasses.replace(desired, suspended={"instance/chat": "by ana until Monday: demo"})


def candidate_failed(seen: ObservedState, desired: DesiredState) -> ObservedState:
    """The old runner was retired for a new one, which did not come up."""
    (old,) = seen.runners
    retired = msgspec.structs.replace(old, phase=Phase.FAILED, pid=0, retired=True)
    (want,) = desired.instances
    failed = msgspec.structs.replace(
        old, uid="new", spec_digest=want.spec_digest, phase=Phase.FAILED, pid=0, proven="",
        attempt=attempt_of(want), reason="out of memory: 900 MiB asked, 400 MiB free", started_at=9.0,
    )  # fmt: skip
    return msgspec.structs.replace(seen, runners=(retired, failed))


LONGER = edited(chat=("contextLength: 4096", "contextLength: 8192"))
RENAMED = edited(chat=("name: chat\n", "name: talk\n"))
RENAMED["fleet/chat.yaml"] = RENAMED["fleet/chat.yaml"].replace(
    "spec:\n", "spec:\n  renamedFrom: chat\n"
)
SECOND = (
    CHAT.replace("name: chat", "name: code")
    .replace("identifier: chat", "identifier: code")
    .replace("acme/small", "acme/large")
)
MANY = edited(
    chat=("contextLength: 4096", "contextLength: 8192"),
    server=("queue: 64", "queue: 8"),
    small=("value: 0.2", "value: 0.7"),
) | {"fleet/code.yaml": SECOND, "fleet/models/large/model.yaml": LARGE}
OLD = CHAT.replace("name: chat", "name: old").replace("identifier: chat", "identifier: old")

CASES: dict[str, Callable[[], PlanView]] = {
    "in-sync": lambda: view(FLEET),
    "first": lambda: view(FLEET, world=nothing),
    "drain": lambda: view(LONGER),
    "drain-without-history": lambda: view(LONGER, past=False),
    "surge": lambda: view(LONGER, world=roomy),
    "rename": lambda: view(RENAMED),
    "hot-edit": lambda: view(
        edited(small=("value: 0.2", "value: 0.7"), server=("queue: 64", "queue: 8"))
    ),
    "server-restart": lambda: view(edited(server=("port: 1234", "port: 4321"))),
    "replace-weights": lambda: view(
        edited(chat=("acme/small", "acme/large")) | {"fleet/models/large/model.yaml": LARGE},
        world=sized,
    ),
    "other-source": lambda: view(edited(small=("small-q4.gguf", "small-q8.gguf"))),
    "prune": lambda: view(
        {name: FLEET[name] for name in FLEET if "chat" not in name} | {"fleet/old.yaml": OLD},
        before=FLEET | {"fleet/old.yaml": OLD},
    ),
    "fetch": lambda: view(FLEET | {"fleet/models/large/model.yaml": LARGE}, world=sized),
    "fetch-of-unknown-size": lambda: view(FLEET | {"fleet/models/large/model.yaml": LARGE}),
    "drift": lambda: view(edited(server=("queue: 64", "queue: 8")), world=dead),
    "drift-of-weights": lambda: view(FLEET, world=flipped),
    "drift-only": lambda: only_drift(view(edited(server=("queue: 64", "queue: 8")), world=dead)),
    "drift-reported": lambda: view(FLEET, world=dead, goal=with_drift(DriftPolicy.REPORT)),
    "suspended": lambda: view(LONGER, goal=suspended),
    "blocked": lambda: view(LONGER, world=candidate_failed),
    "many-objects": lambda: view(MANY, before=FLEET | {"fleet/old.yaml": OLD}, world=sized),
}  # fmt: skip


def compare(name: str, text: str) -> None:
    path = PLANS / name
    if WRITE:
        path.write_text(text)
    assert text == path.read_text()


def test_a_plan_as_annotations_and_a_summary():
    shown = CASES["many-objects"]()
    text = "\n".join([*annotations(shown, base="fleet"), "", markdown(shown)])
    compare("many-objects.github", text)


def test_a_plan_as_data():
    plain = msgspec.json.format(msgspec.json.encode(CASES["drain"]()), indent=2).decode()
    compare("drain.json", f"{plain}\n")


def test_what_a_file_holds_is_no_command_to_a_terminal_or_a_workflow():
    evil = edited(small=("value: 0.2", "value: 0.7"))
    evil["fleet/chat.yaml"] += '  operation: {systemPrompt: "\\e[31m\\n::error::x%0A"}\n'
    shown = view(evil)
    assert "\x1b" not in render_plan(shown)
    lines = annotations(shown, base="")
    assert all(each.startswith("::notice ") for each in lines)
    assert any("%250A" in each for each in lines)


@pytest.mark.parametrize("name", CASES)
def test_a_plan_reads_as_reviewed(name):
    compare(f"{name}.txt", render_plan(CASES[name]()) + "\n")
