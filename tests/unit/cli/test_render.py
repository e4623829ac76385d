"""Whole outputs, so that a changed word is a changed test."""

import dataclasses
from textwrap import dedent

import msgspec

from lmctl.adapters.state.events import Event
from lmctl.base.diagnostics import Place, error
from lmctl.base.spec import Phase
from lmctl.cli.printer import as_yaml
from lmctl.cli.render import (
    render_conditions,
    render_event,
    render_objects,
    render_status,
)
from lmctl.planning.report import DaemonView, box_status
from lmctl.planning.transitions import remember
from lmctl.planning.turn import Reading, Turn, take_turn
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

CHAT = want("chat")


def status_of(goal, world, **more):
    return box_status(take_turn(Reading(goal, **more), world), roots=("/home/you/fleet",))


def in_sync(*instances):
    return observed(
        *(seen(each) for each in instances),
        weights=tuple(stored(each.weights) for each in instances),
        surface=worlds.surface_for(instances),
    )


def test_a_box_in_order():
    status = box_status(
        take_turn(Reading(desired(CHAT)), in_sync(CHAT)),
        roots=("/home/you/fleet",),
        daemon=DaemonView(42, "0.1.0", 0.0),
    )
    assert render_status(status) == dedent("""\
        generation 1: 4 of 4 ready, serving at http://127.0.0.1:1234
        daemon pid 42 following /home/you/fleet

        OBJECT             STATE  SYNC    HEALTH   MESSAGE
        runtime/llama.cpp  Ready  Synced  Healthy  llama.cpp 0.3.36
        model/acme/w1      Ready  Synced  Healthy  stored, from file
        server/gateway     Ready  Synced  Healthy  listening on 127.0.0.1:1234
        instance/chat      Ready  Synced  Healthy  serving as chat""")


def test_a_box_in_trouble():
    world = msgspec.structs.replace(in_sync(CHAT), runners=(seen(CHAT, Phase.FAILED),))
    problem = error(Place("f.yaml", 3, 7), "unknown kind")
    assert (
        render_status(status_of(desired(CHAT), world, problems=(problem,)))
        == dedent("""\
        generation 1: 3 of 4 ready, serving at http://127.0.0.1:1234, 1 manifest problem(s): the last good ones stay desired
        no daemon running, last followed /home/you/fleet

        OBJECT             STATE        SYNC       HEALTH   MESSAGE
        runtime/llama.cpp  Ready        Synced     Healthy  llama.cpp 0.3.36
        model/acme/w1      Ready        Synced     Healthy  stored, from file
        server/gateway     Ready        Synced     Healthy  listening on 127.0.0.1:1234
        instance/chat      Reconciling  OutOfSync  Missing  its runner is gone: killed by SIGKILL""")
    )


def test_a_suspended_object_never_looks_ready():
    goal = dataclasses.replace(desired(CHAT), suspended={"instance/chat": "by you: benchmarks"})
    turn = take_turn(Reading(goal), in_sync(CHAT))
    before = remember({}, take_turn(Reading(desired(CHAT)), in_sync(CHAT)).standings, now=1.0)
    never = render_objects(box_status(turn).objects[-1:])
    assert "Suspended (never was Ready)" in never
    assert (
        render_objects(box_status(turn.dated(before)).objects[-1:])
        == dedent("""\
        OBJECT         STATE                                  SYNC    HEALTH     FACTS                           MESSAGE
        instance/chat  Suspended (was Ready at generation 1)  Synced  Suspended  200.0 MiB, pid 100, parallel 0  by you: benchmarks""")
    )


def test_one_object_with_everything_that_is_said_of_it():
    turn = take_turn(Reading(desired(CHAT)), in_sync(CHAT))
    turn = turn.dated(remember({}, turn.standings, now=1_000_000_000.0))
    assert render_conditions(box_status(turn).objects[-1]) == dedent("""\
        CONDITION     STATUS  SINCE                 REASON          MESSAGE
        Ready         True    2001-09-09T01:46:40Z  AsDeclared      serving as chat
        Reconciling   False   2001-09-09T01:46:40Z  AsDeclared
        Stalled       False   2001-09-09T01:46:40Z  AsDeclared
        Suspended     False   2001-09-09T01:46:40Z  NotSuspended
        InSync        True    2001-09-09T01:46:40Z  AsDeclared
        Resolved      True    2001-09-09T01:46:40Z  AsDeclared      acme/w1
        WeightsReady  True    2001-09-09T01:46:40Z  Stored          98.0 MiB stored
        Verified      True    2001-09-09T01:46:40Z  Stored          sha256 of every file is proven
        Fits          True    2001-09-09T01:46:40Z  Measured        200.0 MiB resident
        RuntimeReady  True    2001-09-09T01:46:40Z  SelfTestPassed  llama.cpp 0.3.36
        Loaded        True    2001-09-09T01:46:40Z  AsDeclared      pid 100
        Serving       True    2001-09-09T01:46:40Z  Routed          serving as chat""")


def test_an_empty_home():
    assert render_status(box_status(Turn(Reading(None)))) == dedent("""\
        generation 0: 0 of 0 ready
        no daemon running""")
    assert render_objects(()) == "nothing declared"


def test_objects_with_their_facts():
    assert (
        render_objects(status_of(desired(CHAT), in_sync(CHAT)).objects)
        == dedent("""\
        OBJECT             STATE  SYNC    HEALTH   FACTS                           MESSAGE
        runtime/llama.cpp  Ready  Synced  Healthy  version 0.3.36                  llama.cpp 0.3.36
        model/acme/w1      Ready  Synced  Healthy  98.0 MiB                        stored, from file
        server/gateway     Ready  Synced  Healthy  pid 7                           listening on 127.0.0.1:1234
        instance/chat      Ready  Synced  Healthy  200.0 MiB, pid 100, parallel 0  serving as chat""")
    )


def test_an_event_that_repeats():
    event = Event(1, 0.0, "instance/chat", "Failed", "crashed", "warning", 1, 3)
    assert render_event(event) == (
        "1970-01-01T00:00:00Z  instance/chat            Failed         crashed (x3)"
    )


def test_yaml_is_the_same_value():
    assert as_yaml({"a": [1, None], "b": "x: y"}) == "a:\n- 1\n- null\nb: 'x: y'\n"
