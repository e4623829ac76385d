"""Stored turns on a real disk: branches, restarts, several workers, and what is forgotten."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lmctl.adapters.background_notes import BackgroundNotes
from lmctl.adapters.conversations import StoreUnusable, TurnFile
from lmctl.base.stored import StoredTurn
from lmctl.base.talk import Image, Message, ToolCall
from lmctl.planning.surface import Retention
from lmctl.serving.background import Backgrounds
from lmctl.serving.stored import Conversations, Past, UnknownTurn

LONG = 1e9


def turn(name, parent=None, *, at=100.0, said=None, system=""):
    message = Message("user", said or name)
    return StoredTurn(name, at, "chat", (message,), parent=parent, system=system)


def conversations_of(turns, folder):
    return Conversations(turns, Backgrounds(BackgroundNotes(folder / "background")))


def texts(line):
    return [message.content for each in line for message in each.messages]


@pytest.fixture
def file(tmp_path):
    turns = TurnFile(tmp_path / "conversations.db")
    yield turns
    turns.close()


@pytest.fixture
def add(file):
    def add(*turns, keep=LONG, most=1000):
        for each in turns:
            file.add(each, keep=keep, most=most)

    return add


def test_two_turns_that_go_on_from_one_are_two_branches(file, add):
    add(turn("a"), turn("b", "a"), turn("c", "a"), turn("d", "c"))
    assert texts(file.line("b")) == ["a", "b"]
    assert texts(file.line("d")) == ["a", "c", "d"]


def test_a_turn_comes_back_as_it_was_kept(file, add):
    messages = (
        Message("user", (Image(b"\x00\xff", "image/png"),)),
        Message("assistant", "x", reasoning="hm", tool_calls=(ToolCall("1", "add", "{}"),)),
    )
    whole = StoredTurn("a", 1.5, "chat", messages, None, "be brief", b'{"id":"a"}', b"[]")
    add(whole)
    assert file.get("a") == whole


def test_what_was_kept_survives_the_process(file, add, tmp_path):
    add(turn("a"), turn("b", "a"))
    file.close()
    again = TurnFile(tmp_path / "conversations.db")
    assert texts(again.line("b")) == ["a", "b"]
    again.close()


def test_an_id_is_never_used_twice(file, add):
    add(turn("a"))
    with pytest.raises(StoreUnusable, match="UNIQUE"):
        add(turn("a"))


def test_a_turn_nobody_went_on_from_is_forgotten_with_time(tmp_path, add):
    add(turn("old"), turn("root"), turn("leaf", "root", at=190.0))
    other = TurnFile(tmp_path / "conversations.db")  # each worker looks with its first turn
    other.add(turn("new", at=200.0), keep=50.0, most=1000)
    assert other.get("old") is None
    assert texts(other.line("leaf")) == ["root", "leaf"]
    other.close()


def test_of_too_many_turns_those_last_used_stay_with_all_they_go_on_from(tmp_path, add):
    add(turn("a", at=1), turn("b", at=2), turn("c", at=3), turn("d", "a", at=4))
    other = TurnFile(tmp_path / "conversations.db")
    other.add(turn("e", "d", at=5), keep=LONG, most=3)
    assert texts(other.line("e")) == ["a", "d", "e"]
    assert other.get("b") is other.get("c") is None
    other.close()


def test_a_deleted_turn_is_gone_but_those_after_it_go_on(file, add):
    add(turn("a"), turn("b", "a"), turn("c", "b"))
    assert file.forget("b")
    assert not file.forget("b")
    assert file.get("b") is None
    assert file.line("b") == ()
    assert texts(file.line("c")) == ["a", "b", "c"]
    assert file.forget("a")
    assert file.forget("c")  # nobody needs the two before it any more
    add(turn("b"), turn("a"))


def test_workers_write_side_by_side_and_lose_nothing(tmp_path):
    path = tmp_path / "conversations.db"

    def work(worker):
        turns = TurnFile(path)
        for number in range(20):
            parent = f"{worker}-{number - 1}" if number else None
            turns.add(turn(f"{worker}-{number}", parent), keep=LONG, most=1000)
        turns.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    turns = TurnFile(path)
    assert [len(turns.line(f"{worker}-19")) for worker in range(4)] == [20] * 4
    turns.close()


def test_a_damaged_file_is_told_as_such(tmp_path):
    (tmp_path / "conversations.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreUnusable, match="not a database"):
        TurnFile(tmp_path / "conversations.db").get("a")


def test_only_the_owner_may_read_it(tmp_path, add):
    add(turn("a"))
    assert (tmp_path / "conversations.db").stat().st_mode & 0o777 == 0o600


async def test_a_turn_starts_from_the_messages_and_the_last_system_prompt(file, add, tmp_path):
    add(turn("a", system="be brief"), turn("b", "a", system="be long"))
    conversations = conversations_of(file, tmp_path)
    past = await conversations.past("b")
    assert past == Past((Message("user", "a"), Message("user", "b")), "be long", "b")
    assert await conversations.past(None) == Past()
    with pytest.raises(UnknownTurn, match="no response `x` is stored"):
        await conversations.past("x")


async def test_a_turn_that_cannot_be_kept_is_no_trouble_to_who_was_answered(tmp_path):
    (tmp_path / "conversations.db").mkdir()
    conversations = conversations_of(TurnFile(tmp_path / "conversations.db"), tmp_path)
    assert not await conversations.keep(turn("a"), Retention())
