import pytest

from lmctl.base.errors import Busy, Draining, NotReady
from lmctl.runner.admission import Admission


def open_door(slots=2, queue=1):
    door = Admission("chat", queue=queue)
    door.prepare(slots)
    door.open()
    return door


def test_nobody_comes_in_before_the_model_is_loaded():
    with pytest.raises(NotReady, match="chat is still loading"):
        Admission("chat", queue=1).admit()


def test_a_place_is_a_slot_first_and_then_a_place_in_the_queue():
    door = open_door()

    assert [door.admit() for _ in range(3)] == [0, 0, 1]


def test_a_full_house_is_busy_until_someone_leaves():
    door = open_door()
    for _ in range(3):
        door.admit()

    with pytest.raises(Busy, match="2 running and 1 waiting"):
        door.admit()
    door.release()

    assert door.admit() == 1


def test_a_closed_door_says_draining_even_while_loading():
    door = Admission("chat", queue=1)
    door.close()

    with pytest.raises(Draining):
        door.admit()


def test_who_was_refused_holds_no_place():
    door = open_door(slots=1, queue=0)
    door.admit()
    with pytest.raises(Busy):
        door.admit()

    assert door.inside == 1
