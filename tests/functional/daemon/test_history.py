"""Generations with their contents: numbered, kept, brought back, and found again without a database."""

import subprocess
from pathlib import Path

import pytest

from lmctl.adapters.git import commit_of
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revision, Revisions
from lmctl.adapters.state.store import open_store
from lmctl.base.errors import NotFound, Refused
from lmctl.planning.pauses import Hold, Suspension
from lmctl.planning.resolve import HostFacts
from lmctl.reconciler.history import History
from lmctl.reconciler.reading import FolderReader, LastGood, remembered
from lmctl.reconciler.wishes import Wishes

HOST = HostFacts(sockets="/run/lmctl")
MODEL = (
    "model: acme/m\nbase:\n  - key: acme/m\n    sources: [{type: file, path: /weights/m.gguf}]\n"
)


class World:
    """A folder that is read, with all that remembers; `again` is the next daemon."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 100.0
        self.told: list[str] = []
        self.fleet = root / "fleet"
        self.fleet.mkdir()
        (self.fleet / "m.model.yaml").write_text(MODEL)
        self.again()

    def again(self) -> None:
        self.store = open_store(self.root / "state.db", clock=self.clock)
        self.revisions = Revisions(self.root / "revisions")
        self.pauses = Pauses(self.root)
        self.last_good = LastGood(self.root / "last-good")
        self.history = History(
            self.store.generations, self.revisions, commit_of=commit_of, clock=self.clock
        )
        self.wishes = Wishes(
            self.pauses,
            clock=self.clock,
            tell=lambda *words: self.told.append(" ".join(words[:2])),
        )
        self.reader = FolderReader(
            roots=lambda: (str(self.fleet),),
            host=lambda: HOST,
            history=self.history,
            last_good=self.last_good,
            wishes=self.wishes,
        )

    def clock(self) -> float:
        return self.now

    def write(self, context: int, keep: int = 5, **spec: object) -> None:
        more = "".join(f", {key}: {value}" for key, value in spec.items())
        (self.fleet / "chat.yaml").write_text(
            "apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {name: chat}\n"
            f"spec: {{model: acme/m, load: {{contextLength: {context}}}{more}}}\n"
        )
        (self.fleet / "server.yaml").write_text(f"reconcile: {{keepGenerations: {keep}}}\n")

    async def read(self) -> tuple[int, int]:
        """The generation and the context length that are desired now."""
        reading = await self.reader.read()
        assert reading.desired is not None, reading.problems
        return reading.desired.generation, reading.desired.instances[0].load.context_length or 0

    async def edit(self, context: int, **more: object) -> tuple[int, int]:
        self.write(context, **more)  # type: ignore[arg-type]
        seen = await self.read()
        self.store.generations.ended(seen[0], "converged")
        self.now += 10.0
        return seen

    def turn_back(self, number: int | None = None) -> Hold:
        hold = self.history.turn_back(number, source_digest=self.reader.source_digest)
        self.wishes.put_hold(hold)
        return hold


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.store.close()


async def test_a_rollback_holds_what_the_folders_say_until_they_say_something_else(world):
    assert [await world.edit(each) for each in (1, 2, 3)] == [(1, 1), (2, 2), (3, 3)]
    hold = world.turn_back()
    assert await world.read() == (4, 2)
    (world.fleet / "chat.yaml").write_text(
        (world.fleet / "chat.yaml").read_text() + "# a comment\n"
    )
    assert await world.read() == (4, 2)  # says the same: still held
    (world.fleet / "broken.yaml").write_text("kind: [")
    assert await world.read() == (4, 2)  # says nothing: still held
    (world.fleet / "broken.yaml").unlink()
    world.store.close()
    world.again()
    assert await world.read() == (4, 2)
    assert (hold.generation, (await world.reader.read()).hold) == (2, hold)
    world.write(4)
    assert await world.read() == (5, 4)
    world.write(3)
    assert await world.read() == (6, 3)  # what was held is an edit like any other now
    assert world.told == ["box RolledBack", "box Released"]
    causes = [(each.number, each.cause, each.of) for each in world.store.generations.all()]
    assert causes[3:] == [(4, "rollback", 2), (5, "edit", 0), (6, "edit", 0)]


async def test_rolling_back_twice_still_holds_what_the_folders_say(world):
    for each in (1, 2, 3):
        await world.edit(each)
    source = world.reader.source_digest
    world.turn_back(2)
    assert await world.read() == (4, 2)
    world.store.generations.ended(4, "converged")
    assert world.turn_back(1).digest == source
    assert await world.read() == (5, 1)
    world.wishes.release("ada")
    assert await world.read() == (6, 3)
    assert world.store.generations.all()[-1].cause == "resume"


async def test_where_there_is_no_way_back_it_says_so(world):
    with pytest.raises(Refused, match="nothing was applied yet"):
        world.turn_back()
    await world.edit(1)
    with pytest.raises(NotFound, match="generation before 1 that converged"):
        world.turn_back()
    with pytest.raises(NotFound, match="no generation 7"):
        world.turn_back(7)
    with pytest.raises(Refused, match="in force already"):
        world.turn_back(1)
    await world.edit(2, keep=1)
    await world.edit(3, keep=1)
    with pytest.raises(NotFound, match="files of generation 1 are not kept") as caught:
        world.turn_back(1)
    assert caught.value.hint == "kept: 2, 3 (`reconcile.keepGenerations` says how many)"


async def test_what_failed_or_was_superseded_is_not_gone_back_to_by_default(world):
    await world.edit(1)
    world.write(2)
    assert await world.read() == (2, 2)  # never converged
    await world.edit(3)
    assert world.turn_back().generation == 1


async def test_the_current_content_the_last_few_and_those_of_a_hold_are_kept(world):
    for each in (1, 2, 3):
        await world.edit(each, keep=2)
    world.turn_back(1)
    assert (await world.read())[1] == 1
    for each in (4, 5):
        await world.edit(each, keep=2)
    kept = [each.number for each in world.store.generations.all() if world.history.keeps(each)]
    assert kept == [1, 4, 5, 6]  # 4 is 1 again
    assert len(world.revisions.digests()) == 3


async def test_a_revision_that_is_lost_leaves_everything_as_it_is(world):
    await world.edit(1)
    await world.edit(2)
    hold = world.turn_back(1)
    assert await world.read() == (3, 1)
    world.revisions.collect(())
    assert await world.read() == (3, 1)  # it knows what it said
    world.store.close()
    world.again()
    reading = await world.reader.read()
    assert (reading.desired, reading.hold) == (None, hold)
    assert "not kept any more" in reading.problems[-1].message


async def test_a_lost_database_is_made_again_from_what_is_kept(world):
    for each in (1, 2, 3):
        await world.edit(each)
    world.turn_back(2)
    assert await world.read() == (4, 2)
    world.store.close()
    (world.root / "state.db").unlink()
    world.again()
    assert world.history.restore(floor=4) == 3
    assert [each.number for each in world.store.generations.all()] == [1, 2, 4]
    assert await world.read() == (5, 2)  # the hold outlived it
    assert world.history.restore(floor=9) == 0


async def test_without_a_daemon_the_same_is_wanted(world):
    await world.edit(1)
    await world.edit(2)
    world.pauses.suspend(Suspension("instance/chat", "a demo", 1.0, "ada", None))

    def length() -> int | None:
        reading = remembered(world.last_good, world.pauses, world.revisions, HOST)
        assert reading.desired is not None
        assert "a demo" in reading.desired.suspended["instance/chat"]
        return reading.desired.instances[0].load.context_length

    assert length() == 2
    world.turn_back(1)
    assert length() == 1


async def test_a_suspension_says_when_it_ends_and_ends_then(world):
    await world.edit(1)
    desired = (await world.reader.read()).desired
    world.wishes.add(Suspension("box", "a demo", world.now, "ada", world.now + 30.0), desired)
    world.wishes.add(Suspension("instance/chat", "why", world.now, "", world.now + 90.0), desired)
    reading = await world.reader.read()
    assert reading.due == 30.0
    assert reading.desired.suspended == {
        "box": "a demo (since 1970-01-01T00:01:50Z by ada, until 1970-01-01T00:02:20Z)",
        "instance/chat": "why (since 1970-01-01T00:01:50Z, until 1970-01-01T00:03:20Z)",
    }
    world.now += 30.0
    reading = await world.reader.read()
    assert (reading.due, set(reading.desired.suspended)) == (60.0, {"instance/chat"})
    assert world.wishes.resume("all", "ada", desired) == ["instance/chat"]
    assert world.told == [
        "box Suspended",
        "instance/chat Suspended",
        "box Resumed",
        "instance/chat Resumed",
    ]


async def test_only_what_is_there_can_be_suspended_and_only_what_is_suspended_resumed(world):
    await world.edit(1, suspend="true")
    desired = (await world.reader.read()).desired
    with pytest.raises(NotFound, match="no `instance/x`") as caught:
        world.wishes.add(Suspension("instance/x", "why", 1.0), desired)
    assert (
        caught.value.hint
        == "there is: box, instance/chat, model/acme/m, runtime/llama.cpp, " + ("server/gateway")
    )
    with pytest.raises(Refused, match="in the past"):
        world.wishes.add(Suspension("box", "why", 1.0, "", 2.0), desired)
    with pytest.raises(
        Refused, match=r"suspended by its manifest: `suspend: true` at .*chat.yaml:4"
    ):
        world.wishes.resume("instance/chat", "", desired)
    with pytest.raises(NotFound, match="`box` is not suspended"):
        world.wishes.resume("box", "", desired)
    with pytest.raises(NotFound, match="no rollback is held"):
        world.wishes.resume("hold", "", desired)
    assert world.wishes.resume("all", "", desired) == []


def test_a_damaged_revision_is_none(tmp_path):
    revisions = Revisions(tmp_path / "revisions")
    revisions.keep(Revision("d", 1, 1.0, ("/f",), {"/f/a": b"x"}))
    (tmp_path / "revisions" / "d.msgpack").write_bytes(b"\xc1")
    assert revisions.read("d") is None
    assert revisions.read("e") is None


def test_the_commit_of_a_folder(tmp_path):
    assert commit_of(tmp_path) is None

    def git(*words: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=a@b")
        subprocess.run(["git", *identity, "-C", str(tmp_path), *words], check=True)

    git("init", "-q")
    assert commit_of(tmp_path) is None
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    (fleet / "a.yaml").write_text("x")
    git("add", "-A")
    git("commit", "-qm", "First: a title\n\nand a body")
    (tmp_path / "elsewhere").write_text("not in the folder")
    found = commit_of(fleet)
    assert found is not None
    assert (found.author, found.subject, found.dirty) == ("Ada <a@b>", "First: a title", False)
    (fleet / "a.yaml").write_text("y")
    found = commit_of(fleet)
    assert found is not None
    assert found.dirty
