"""Since when things are as they are, over turns and over restarts of the daemon."""

from contextlib import closing

from lmctl.adapters.state.store import open_store
from lmctl.base.spec import Phase
from lmctl.daemon.memory import StandingMemory
from lmctl.planning.conditions import ConditionType
from lmctl.planning.turn import Reading, take_turn
from tests.support.worlds import desired, observed, seen, stored, surface_for, want

A = want("a")


def turn(*runners):
    world = observed(*runners, weights=(stored(A.weights),), surface=surface_for((A,)))
    return take_turn(Reading(desired(A)), world)


def since(told):
    return told.standings[-1].condition(ConditionType.READY).since


def test_times_outlive_the_daemon(tmp_path):
    clock = iter(range(100, 200))
    with closing(open_store(tmp_path / "state.db", clock=lambda: 0.0)) as store:
        memory = StandingMemory(store.standings, lambda: float(next(clock)))
        assert since(memory.dated(turn(seen(A)))) == 100.0
        memory.keep()
        broken = memory.dated(turn(seen(A, Phase.FAILED)))  # seen, and lost with the daemon
        assert since(broken) == 101.0
    with closing(open_store(tmp_path / "state.db", clock=lambda: 0.0)) as store:
        memory = StandingMemory(store.standings, lambda: float(next(clock)))
        assert since(memory.dated(turn(seen(A)))) == 100.0
        assert since(memory.dated(turn())) == 103.0
        assert memory.dated(turn()).standings[-1].ready_generation == 1


def test_nothing_read_forgets_nothing(tmp_path):
    with closing(open_store(tmp_path / "state.db", clock=lambda: 0.0)) as store:
        memory = StandingMemory(store.standings, lambda: 5.0)
        memory.dated(turn(seen(A)))
        memory.dated(take_turn(Reading(None), observed()))
        assert since(memory.dated(turn(seen(A)))) == 5.0
        memory.keep()
        assert store.standings.read()["instance/a"].ready_generation == 1
