"""Logs stay small while others write to them."""

from lmctl.adapters.log_files import bound


def test_a_log_that_grew_too_large_is_moved_and_its_writer_goes_on_at_the_beginning(tmp_path):
    path, small = tmp_path / "runner-chat.log", tmp_path / "daemon.log"
    small.write_text("short\n")
    with path.open("a") as writer:
        writer.write("old " * 100)
        writer.flush()
        assert bound(tmp_path, limit=100) == [path]
        writer.write("new\n")
    assert path.read_text() == "new\n"
    assert (tmp_path / "runner-chat.log.1").read_text() == "old " * 100
    assert small.read_text() == "short\n"
    assert bound(tmp_path, limit=100) == []


def test_only_the_one_before_is_kept(tmp_path):
    path = tmp_path / "gateway.log"
    for each in ("first ", "second "):
        path.write_text(each * 50)
        bound(tmp_path, limit=100)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["gateway.log", "gateway.log.1"]
    assert (tmp_path / "gateway.log.1").read_text() == "second " * 50
