"""The state database: what it keeps, and that losing it is never the end."""

import sqlite3

import pytest

from lmctl.adapters.followed import Followed
from lmctl.adapters.sqlite import Store
from lmctl.base.errors import Refused


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def opened(path, at: float = 1.0) -> Store:
    return Store(path, clock=lambda: at)


def test_generations_go_on_after_a_restart_and_change_with_the_digest_only(path):
    store = opened(path)
    numbers = [store.generation_of(digest, ["/f"]).number for digest in ("a", "a", "b")]
    store.close()
    again = opened(path)
    numbers += [again.generation_of(digest, ["/f"]).number for digest in ("b", "a")]
    again.close()
    assert numbers == [1, 1, 2, 2, 3]


def test_an_event_that_repeats_is_counted_and_moves_to_the_end(path):
    store = opened(path)
    for subject, message in (("a", "x"), ("b", "y"), ("a", "x"), ("a", "z")):
        store.record(subject, "Failed", message)
    told = [(each.subject, each.message, each.count) for each in store.events()]
    newest = store.events(limit=1)
    later = store.events(after=store.events()[0].id)
    store.close()
    assert told == [("b", "y", 1), ("a", "x", 2), ("a", "z", 1)]
    assert [each.message for each in newest] == ["z"]
    assert [each.message for each in later] == ["x", "z"]


def test_a_damaged_database_is_moved_aside(path):
    path.write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    store = opened(path, at=7.0)
    assert store.events() == []
    store.close()
    assert path.with_name("state.db.damaged-7").exists()


def test_a_migration_that_was_cut_off_leaves_nothing_behind(path, monkeypatch):
    from lmctl.adapters import sqlite

    def broken(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x TEXT) STRICT")
        raise KeyboardInterrupt

    whole = sqlite.MIGRATIONS
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*whole, broken))
    with pytest.raises(KeyboardInterrupt):
        opened(path)
    monkeypatch.setattr(sqlite, "MIGRATIONS", whole)
    store = opened(path)
    store.close()
    db = sqlite3.connect(path)
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    db.close()
    assert "half" not in tables


def test_a_home_that_cannot_be_written_is_said_so(tmp_path):
    with pytest.raises(Refused, match="cannot open"):
        opened(tmp_path / "nowhere" / "state.db")


def test_followed_folders_survive_without_the_database(tmp_path):
    Followed(tmp_path / "roots.json").follow(["/a", "/b"])
    assert Followed(tmp_path / "roots.json").roots() == ("/a", "/b")
    (tmp_path / "roots.json").write_text("{")
    assert Followed(tmp_path / "roots.json").roots() == ()
