"""A file that is missing for a moment is not believed to be gone."""

from lmctl.reconciler.vanishing import Vanishing

BEFORE = {"a": b"a", "b": b"b"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def always(_path: str) -> bool:
    return True


def test_a_missing_file_is_believed_after_a_while():
    clock = Clock()
    vanishing = Vanishing(1.0, clock)
    assert vanishing.left(BEFORE, BEFORE, always) == 0
    assert vanishing.left(BEFORE, {"a": b"a"}, always) == 1.0
    clock.now += 0.75
    assert vanishing.left(BEFORE, {"a": b"a"}, always) == 0.25
    clock.now += 0.25
    assert vanishing.left(BEFORE, {"a": b"a"}, always) == 0


def test_one_that_came_back_begins_anew():
    clock = Clock()
    vanishing = Vanishing(1.0, clock)
    vanishing.left(BEFORE, {"a": b"a"}, always)
    clock.now += 0.9
    assert vanishing.left(BEFORE, BEFORE, always) == 0
    assert vanishing.left(BEFORE, {"a": b"a"}, always) == 1.0


def test_an_emptied_file_is_being_written():
    assert Vanishing(1.0, Clock()).left(BEFORE, {"a": b"a", "b": b""}, always) == 1.0


def test_a_file_with_which_nothing_is_lost_is_not_waited_for():
    vanishing = Vanishing(1.0, Clock())
    assert vanishing.left(BEFORE, {"a": b"a", "c": b"b"}, lambda path: path == "a") == 0


def test_a_person_who_says_so_is_believed_at_once():
    vanishing = Vanishing(1.0, Clock())
    vanishing.left(BEFORE, {"a": b"a"}, always)
    vanishing.believe()
    assert vanishing.left(BEFORE, {"a": b"a"}, always) == 0
