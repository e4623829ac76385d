"""The status is the same value while nothing is new, and another one as soon as something is."""

from dataclasses import replace

from lmctl.daemon.telling import Telling
from lmctl.planning.conditions import Progress
from lmctl.planning.desired import DesiredState
from lmctl.planning.report import DaemonView
from lmctl.planning.turn import Reading, Turn
from lmctl.reconciler.reading import LastRead

DAEMON = DaemonView(1, "1.0", 0.0)
MODEL = {"/fleet/a/model.yaml": b"model: acme/a\nbase: acme/b\n"}


def test_the_same_turn_is_told_the_same():
    telling, turn = Telling(lambda turn: turn, DAEMON), Turn(Reading(DesiredState(3)))
    first = telling.status(turn, ("/fleet",), {})
    assert first.generation == 3
    assert telling.status(turn, ("/fleet",), {}) is first


def test_whatever_is_new_is_told():
    telling, turn = Telling(lambda turn: turn, DAEMON), Turn(Reading(DesiredState(3)))
    told = [telling.status(turn, ("/fleet",), {})]
    told.append(telling.status(turn, ("/elsewhere",), {}))
    told.append(telling.status(turn, ("/elsewhere",), {"load instance/a": Progress("half")}))
    told.append(
        telling.status(replace(turn, reading=Reading(DesiredState(4))), ("/elsewhere",), {})
    )
    assert len({id(each) for each in told}) == len(told)
    assert told[1].roots == ("/elsewhere",)
    assert told[3].generation == 4


def test_the_same_files_are_read_once():
    read = LastRead()
    first = read(dict(MODEL))
    assert read(dict(MODEL)) is first
    other = read({path: text.replace(b"acme/a", b"acme/c") for path, text in MODEL.items()})
    assert list(other.bundle.models) == ["acme/c"]
