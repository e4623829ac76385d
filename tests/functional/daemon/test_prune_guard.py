"""Real folders that lose what they declared: nothing is taken down unless somebody said so."""

import shutil
from pathlib import Path

import pytest

from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.state.store import open_store
from lmctl.planning.pruning import BLOCKED
from lmctl.planning.resolve import HostFacts
from lmctl.reconciler.history import History
from lmctl.reconciler.reading import FolderReader, LastGood
from lmctl.reconciler.vanishing import Vanishing
from lmctl.reconciler.wishes import Wishes

HOST = HostFacts(sockets="/run/lmctl")
MODEL = "model: acme/m\nbase:\n- key: acme/k\n  sources: [{type: file, path: /m.gguf}]\n"
NAMES = tuple("abcdefgh")


class World:
    """Followed folders; `again` is the next daemon."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 100.0
        self.roots = [root / "fleet"]
        self.fill(self.roots[0], *NAMES)
        (self.roots[0] / "m.model.yaml").write_text(MODEL)
        self.again()

    def again(self, vanish: float = 0.0) -> None:
        store = open_store(self.root / "state.db", clock=lambda: self.now)
        self.reader = FolderReader(
            roots=lambda: [str(each) for each in self.roots],
            host=lambda: HOST,
            history=History(
                store.generations,
                Revisions(self.root / "revisions"),
                commit_of=lambda _: None,
                clock=lambda: self.now,
            ),
            last_good=LastGood(self.root / "last-good"),
            wishes=Wishes(Pauses(self.root), clock=lambda: self.now, tell=lambda *_: None),
            vanishing=Vanishing(vanish, lambda: self.now),
        )

    def fill(self, folder: Path, *names: str) -> None:
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / f"{name}.yaml").write_text(
                f"apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {{name: {name}}}\n"
                f"spec: {{model: acme/m, identifier: {name}}}\n"
            )

    def server(self, **reconcile: str) -> None:
        words = ", ".join(f"{key}: {value}" for key, value in reconcile.items())
        (self.roots[0] / "server.yaml").write_text(f"reconcile: {{{words}}}\n")

    def remove(self, *names: str) -> None:
        for name in names:
            (self.roots[0] / f"{name}.yaml").unlink()

    async def names(self) -> str:
        """The instances desired now, and with a `!` that the folders were refused."""
        reading = await self.reader.read()
        assert reading.desired is not None
        wanted = "".join(each.name for each in reading.desired.instances)
        return f"{wanted}!" if reading.broken else wanted

    async def codes(self) -> list[str]:
        return [each.code for each in (await self.reader.read()).problems if each.fatal]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    assert await made.names() == "abcdefgh"
    return made


def emptied(world: World) -> None:
    for path in world.roots[0].iterdir():
        path.unlink()


def missing(world: World) -> None:
    shutil.rmtree(world.roots[0])


def swapped(world: World) -> None:
    """The folder is a link now, to somebody else's fleet."""
    other = world.root / "other"
    world.fill(other, "x", "y")
    (other / "m.model.yaml").write_text(MODEL)
    shutil.rmtree(world.roots[0])
    world.roots[0].symlink_to(other)


def more_than_half(world: World) -> None:
    world.remove(*"abcde")


def broken_too(world: World) -> None:
    world.remove(*"abcde")
    (world.roots[0] / "f.yaml").write_text("a: [\n")


MISTAKES = (emptied, missing, swapped, more_than_half, broken_too)


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_takes_nothing_down_now_and_after_a_restart(world, mistake):
    mistake(world)
    for _ in range(3):
        assert await world.names() == "abcdefgh!"
    world.again()
    assert await world.names() == "abcdefgh!"


@pytest.mark.parametrize("mistake", [emptied, swapped, more_than_half])
async def test_what_is_held_back_has_a_code_and_is_over_once_it_is_undone(world, mistake):
    mistake(world)
    assert await world.codes() == [BLOCKED]
    if world.roots[0].is_symlink():
        world.roots[0].unlink()
    world.fill(world.roots[0], *NAMES)
    (world.roots[0] / "m.model.yaml").write_text(MODEL)
    assert await world.names() == "abcdefgh"


async def test_a_number_is_allowed_once(world):
    world.remove(*"abcde")
    with world.reader.taking_at_its_word(allow_prune=4):
        assert await world.names() == "abcdefgh!"
    with world.reader.taking_at_its_word(allow_prune=5):
        assert await world.names() == "fgh"
    world.remove("f", "g")
    assert await world.names() == "fgh!"


async def test_an_empty_folder_is_what_its_server_allowed(world):
    world.server(allowEmpty="true")
    assert await world.names() == "abcdefgh"
    emptied(world)
    assert await world.names() == ""
    world.again()
    assert await world.names() == ""


async def test_removing_half_is_an_edit_like_any_other(world):
    world.remove(*"abcd")
    assert await world.names() == "efgh"


async def test_one_folder_of_two_is_guarded_by_its_own_count(world):
    more = world.root / "more"
    world.fill(more, "x", "y")
    world.roots.append(more)
    assert await world.names() == "abcdefghxy"
    for path in more.iterdir():
        path.unlink()
    assert await world.names() == "abcdefghxy!"  # two of ten, and all of this folder
    world.roots.remove(more)
    assert await world.names() == "abcdefgh"


async def test_a_file_that_is_replaced_by_taking_it_away_first_is_not_missed(world):
    world.again(vanish=1.0)
    assert await world.names() == "abcdefgh"
    world.remove("a")
    reading = await world.reader.read()
    assert (len(reading.desired.instances), reading.due) == (8, 1.0)
    world.fill(world.roots[0], "a")
    world.now += 2.0
    assert await world.names() == "abcdefgh"
    world.remove("a")
    assert await world.names() == "abcdefgh"
    world.now += 1.0
    assert await world.names() == "bcdefgh"


async def test_an_emptied_file_is_no_problem_until_it_stays_so(world):
    world.again(vanish=1.0)
    await world.names()
    (world.roots[0] / "a.yaml").write_text("")
    assert await world.names() == "abcdefgh"
    world.now += 1.0
    assert await world.names() == "abcdefgh!"


async def test_a_person_who_applies_is_believed_at_once(world):
    world.again(vanish=1.0)
    await world.names()
    world.remove("a")
    with world.reader.taking_at_its_word():
        assert await world.names() == "bcdefgh"
