"""A tail yields whole lines, each once, whatever happens to the file."""

from lmctl.adapters.log_tail import Tail


def test_lines_come_once_they_are_whole(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("old\n")
    tail = Tail(log)
    assert list(tail.new()) == []
    with log.open("a") as out:
        out.write("one\ntw")
        out.flush()
        assert list(tail.new()) == ["one"]
        out.write("o\n")
    assert list(tail.new()) == ["two"]
    assert list(tail.new()) == []


def test_the_last_lines_come_first_where_they_are_wanted(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("one\ntwo\nthree\nhal")
    tail = Tail(log, lines=2)
    assert list(tail.new()) == ["two", "three"]
    with log.open("a") as out:
        out.write("f\n")
    assert list(tail.new()) == ["half"]


def test_a_log_that_is_cut_moved_or_not_there_yet_is_read_from_its_begin(tmp_path):
    log = tmp_path / "x.log"
    tail = Tail(log, lines=5)
    assert list(tail.new()) == []
    log.write_text("a first line\n")
    assert list(tail.new()) == ["a first line"]
    log.write_text("cut\n")
    assert list(tail.new()) == ["cut"]
    fresh = tmp_path / "fresh"
    fresh.write_text("another file, longer than before\n")
    fresh.replace(log)
    assert list(tail.new()) == ["another file, longer than before"]
