"""The state database: what it keeps, and that losing it is never the end."""

import sqlite3

import pytest

from lmctl.adapters.followed import Followed
from lmctl.adapters.state import database
from lmctl.adapters.state.events import Filter
from lmctl.adapters.state.generations import Generation
from lmctl.adapters.state.journal import Ending
from lmctl.adapters.state.migrations import MIGRATIONS
from lmctl.adapters.state.store import Store, open_store, read_store
from lmctl.base.errors import NotFound, Refused


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def opened(path, at: float = 1.0) -> Store:
    return open_store(path, clock=lambda: at)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_generation_is_superseded_by_the_next_unless_it_came_to_an_end(path):
    clock = Clock()
    store = open_store(path, clock=clock)
    table = store.generations
    for number, ending in enumerate(("", "converged", "failed", ""), start=1):
        table.add(Generation(number, f"d{number}", clock.now, ("/f",), summary=""))
        clock.now += 3.0
        if ending:
            table.ended(number, ending)
        clock.now += 1.0
    table.ended(1, "failed")  # it was superseded: too late
    table.ended(2, "failed")  # it converged once
    table.ended(3, "converged")  # it came good after all
    found = [(each.result, each.seconds) for each in table.all()]
    assert found == [("superseded", 4.0), ("converged", 3.0), ("converged", 8.0), ("", None)]
    store.close()


def test_the_plan_of_a_generation_is_its_first(path):
    store = opened(path)
    store.generations.add(Generation(1, "d", 1.0))
    store.generations.planned(1, "1 to load", b"[1]")
    store.generations.planned(1, "nothing to do", b"[]")
    last = store.generations.get(1)
    assert last is not None
    assert (last.summary, store.generations.plan(1)) == ("1 to load", b"[1]")
    assert store.generations.plan(2) == b""
    store.close()


def test_an_event_that_repeats_is_counted_and_moves_to_the_end(path):
    store = opened(path)
    for subject, message in (("a", "x"), ("b", "y"), ("a", "x"), ("a", "z")):
        store.events.record(subject, "Failed", message)
    told = [(each.subject, each.message, each.count) for each in store.events.after()]
    newest = store.events.after(limit=1)
    later = store.events.after(store.events.after()[0].id)
    about = store.events.about("a", limit=1)
    store.close()
    assert told == [("b", "y", 1), ("a", "x", 2), ("a", "z", 1)]
    assert [each.message for each in newest] == ["z"]
    assert [each.message for each in later] == ["x", "z"]
    assert [each.message for each in about] == ["z"]


def test_what_is_tried_again_and_again_is_two_lines_with_counts(path):
    clock = Clock()
    store = open_store(path, clock=clock)
    for _ in range(5):
        clock.now += 60.0
        store.events.record("a", "Started", "load a")
        store.events.record("b", "Ready", "in between")
        store.events.record("a", "Failed", "no network", level="warning")
    clock.now += 3600.0
    store.events.record("a", "Started", "load a")
    told = [(each.subject, each.reason, each.count) for each in store.events.after()]
    grave = [each.subject for each in store.events.after(wanted=Filter("", "warning"))]
    store.close()
    assert told == [
        ("a", "Started", 5), ("b", "Ready", 5), ("a", "Failed", 5), ("a", "Started", 1),
    ]  # fmt: skip
    assert grave == ["a"]


def test_the_journal_says_what_was_begun_how_it_ended_and_how_long_it_took(path):
    clock = Clock()
    store = open_store(path, clock=clock)
    for step, seconds, ending in (
        ("load instance/chat@old", 9.0, Ending.DONE),
        ("load instance/chat@new", 2.0, Ending.DONE),
        ("load instance/chat@new", 50.0, Ending.FAILED),
        ("load instance/chat@new", 4.0, Ending.DONE),
        ("unload instance/chat#1", 1.0, Ending.DONE),
    ):
        number = store.journal.began(
            step=step, subject="instance/chat", generation=3, because="edited"
        )
        clock.now += seconds
        store.journal.ended(number, ending, "note", failure="bug" if seconds == 50.0 else "")
    journal = store.journal
    assert journal.serial == 5
    assert journal.durations("load", "instance/chat") == [4.0, 2.0, 9.0]
    assert journal.durations("load", "instance/chat", step="load instance/chat@new") == [4.0, 2.0]
    assert journal.typical("load instance/chat@new", "instance/chat") == 3.0
    assert journal.typical("load instance/chat@newer", "instance/chat") == 4.0
    assert journal.typical("load instance/other@x", "instance/other") is None
    failed = journal.about("instance/chat")[2]
    assert (failed.outcome, failed.failure, failed.seconds) == (Ending.FAILED, "bug", 50.0)
    assert [each.id for each in journal.after(3)] == [4, 5]
    store.close()


def test_what_was_begun_and_never_ended_is_called_interrupted_once(path):
    store = opened(path)
    store.journal.began(step="load instance/a@1", subject="instance/a", generation=1, because="x")
    store.close()
    again = opened(path)
    assert [each.step for each in again.journal.interrupt()] == ["load instance/a@1"]
    assert again.journal.interrupt() == []
    [action] = again.journal.about("instance/a")
    assert (action.outcome, action.seconds) == (Ending.INTERRUPTED, None)
    assert again.journal.serial == 1
    again.close()


def test_a_database_keeps_its_lineage_and_a_new_one_has_another(path, tmp_path):
    lineages = []
    for each in (path, path, tmp_path / "other.db"):
        store = opened(each)
        lineages.append(store.journal.lineage)
        store.close()
    assert lineages[0] == lineages[1] != lineages[2]


def test_a_damaged_database_is_moved_aside(path):
    path.write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    store = opened(path, at=7.0)
    assert store.events.after() == []
    store.close()
    assert path.with_name("state.db.damaged-7").exists()


PEAK = '{"weights":["a"],"settings":{},"version":"1","peak":7,"step":2}'
# What each released version had, written with its own statements.
_FILLED = (
    "INSERT INTO generations (number, digest, at, roots) VALUES (7, 'd', 1.0, '[\"/f\"]')",
    "INSERT INTO converged VALUES ('instance/chat', 'd')",
    "INSERT INTO meta VALUES ('lineage', 'mine'), ('serial', '4')",
    "INSERT INTO standings VALUES ('box', '{}')",
    "UPDATE generations SET commit_id='c0ffee', result='converged'",
    "INSERT INTO plans VALUES ('p', 1.0)",
    f"INSERT INTO memory_peaks VALUES ('s', 1.0, '{PEAK}')",  # noqa: S608 # a constant
)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_database_of_every_earlier_version_is_brought_up_to_date(path, version):
    db = sqlite3.connect(path)
    for migration, filling in zip(MIGRATIONS[:version], _FILLED[:version], strict=True):
        migration(db)
        db.execute(filling)
    db.execute(f"PRAGMA user_version={version}")
    db.commit()
    db.close()
    store = opened(path)
    last = store.generations.last()
    assert last is not None
    assert (last.number, last.digest, last.roots) == (7, "d", ("/f",))
    assert last.commit == ("c0ffee" if version >= 5 else "")
    assert store.converged.read() == ({"instance/chat": "d"} if version >= 2 else {})
    assert store.journal.serial == (4 if version >= 3 else 0)
    assert [each.peak for each in store.peaks.read()] == ([7] if version >= 7 else [])
    assert store.plans.consumed("p") == (1.0 if version >= 6 else None)
    store.generations.add(Generation(8, "e", 2.0))
    last = store.generations.last()
    assert last is not None
    assert last.number == 8
    store.close()


def test_a_migration_that_was_cut_off_leaves_nothing_behind(path, monkeypatch):
    def broken(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x TEXT) STRICT")
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(KeyboardInterrupt):
        opened(path)
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS)
    store = opened(path)
    store.close()
    db = sqlite3.connect(path)
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    db.close()
    assert "half" not in tables


def test_a_reader_neither_makes_nor_changes_a_database(path, monkeypatch):
    with pytest.raises(NotFound):
        read_store(path, clock=lambda: 1.0)
    store = opened(path)
    store.events.record("box", "DaemonStarted", "pid 1")
    reader = read_store(path, clock=lambda: 1.0)
    assert [each.message for each in reader.events.after()] == ["pid 1"]
    with pytest.raises(database.StateUnwritable, match="readonly"):
        reader.events.record("box", "DaemonStarted", "pid 2")
    reader.close()
    store.close()
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS[:-1])
    with pytest.raises(Refused, match="another version"):
        read_store(path, clock=lambda: 1.0)


def test_a_home_that_cannot_be_written_is_said_so(tmp_path):
    with pytest.raises(Refused, match="cannot open"):
        opened(tmp_path / "nowhere" / "state.db")


def test_followed_folders_survive_without_the_database(tmp_path):
    Followed(tmp_path / "roots.json").follow(["/a", "/b"])
    assert Followed(tmp_path / "roots.json").roots() == ("/a", "/b")
    (tmp_path / "roots.json").write_text("{")
    assert Followed(tmp_path / "roots.json").roots() == ()
