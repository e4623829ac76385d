"""Real watches: every way a folder changes rings the bell, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lmctl.adapters.folder_bells import bells


def write(path: Path, text: str = "kind: Instance\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


class Ear:
    """Listens to the bells in the background, so that a test can wait for a ring."""

    def __init__(self, heard: asyncio.Queue[None]) -> None:
        self._heard = heard

    async def rings(self) -> None:
        """Return at the next ring, and forget those that came with it."""
        async with asyncio.timeout(10):
            await self._heard.get()
        while not self._heard.empty():
            self._heard.get_nowait()

    async def rings_until(self, seen) -> None:
        """Return once a ring finds the folder as expected."""
        while not seen():
            await self.rings()

    async def is_quiet(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._heard.get()
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def listening(*roots: Path) -> AsyncIterator[Ear]:
    heard: asyncio.Queue[None] = asyncio.Queue()
    begun = asyncio.Event()

    async def listen() -> None:
        async for _ in bells(roots):
            heard.put_nowait(None)
            begun.set()

    task = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(10):
            await begun.wait()
        yield Ear(heard)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(ear: Ear) -> None:
    """Wait until the rings of the beginning are over."""
    while not await ear.is_quiet(0.3):
        pass


async def test_the_first_bell_says_that_watching_has_begun(tmp_path: Path):
    async with asyncio.timeout(10):
        async for _ in bells([tmp_path]):
            break


async def test_a_write_a_rename_and_a_deletion_ring(tmp_path: Path):
    target = write(tmp_path / "sub" / "a.yaml")
    async with listening(tmp_path) as ear:
        await settled(ear)
        target.write_text("x")
        await ear.rings()
        await settled(ear)
        write(tmp_path / "sub" / "b.tmp").replace(target)
        await ear.rings()
        await settled(ear)
        target.unlink()
        await ear.rings()


async def test_a_folder_made_later_is_watched_too(tmp_path: Path):
    async with listening(tmp_path) as ear:
        await settled(ear)
        (tmp_path / "new").mkdir()
        await ear.rings()
        await settled(ear)
        write(tmp_path / "new" / "a.yaml")
        await ear.rings()


async def test_a_root_that_is_a_link_rings_when_it_is_swapped_and_after(tmp_path: Path):
    for version in ("one", "two"):
        write(tmp_path / version / "a.yaml", version)
    root = tmp_path / "fleet"
    root.symlink_to(tmp_path / "one")
    async with listening(root) as ear:
        await settled(ear)
        (tmp_path / "next").symlink_to(tmp_path / "two")
        (tmp_path / "next").replace(root)
        await ear.rings_until(lambda: (root / "a.yaml").read_text() == "two")
        await settled(ear)
        write(tmp_path / "two" / "a.yaml", "three")
        await ear.rings()


async def test_a_link_further_up_that_is_swapped_rings(tmp_path: Path):
    """Nothing happens in the folder above the root, so only a look at the root itself tells."""
    for version in ("one", "two"):
        write(tmp_path / "far" / version / "fleet" / "a.yaml", version)
    (tmp_path / "current").symlink_to(tmp_path / "far" / "one")
    root = tmp_path / "current" / "fleet"
    async with listening(root) as ear:
        await settled(ear)
        (tmp_path / "next").symlink_to(tmp_path / "far" / "two")
        (tmp_path / "next").replace(tmp_path / "current")
        await ear.rings()
        await settled(ear)
        write(root / "a.yaml", "three")
        await ear.rings()


async def test_a_root_deleted_and_made_again_rings_both_times_and_after(tmp_path: Path):
    root = tmp_path / "fleet"
    target = write(root / "a.yaml")
    async with listening(root) as ear:
        await settled(ear)
        target.unlink()
        root.rmdir()
        await ear.rings()
        await settled(ear)
        write(target)
        await ear.rings()
        await settled(ear)
        target.write_text("x")
        await ear.rings()


async def test_a_root_deleted_and_made_again_at_once_is_still_watched(tmp_path: Path):
    root = tmp_path / "fleet"
    target = write(root / "a.yaml")
    async with listening(root) as ear:
        await settled(ear)
        for _ in range(3):
            target.unlink()
            root.rmdir()
            write(target)
        await ear.rings()
        await settled(ear)
        target.write_text("x")
        await ear.rings()


async def test_a_root_that_appears_later_rings(tmp_path: Path):
    root = tmp_path / "later" / "fleet"
    async with listening(root) as ear:
        await settled(ear)
        write(root / "a.yaml")
        await ear.rings()


async def test_a_mounted_configmap_rings_when_it_is_swapped(tmp_path: Path):
    """The visible file is a link through `..data`, and only that link changes."""
    for version in ("v1", "v2"):
        write(tmp_path / f"..{version}" / "a.yaml", version)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    async with listening(tmp_path) as ear:
        await settled(ear)
        (tmp_path / "..next").symlink_to("..v2")
        (tmp_path / "..next").replace(tmp_path / "..data")
        await ear.rings_until(lambda: (tmp_path / "a.yaml").read_text() == "v2")


async def test_a_linked_folder_that_is_swapped_is_watched_on(tmp_path: Path):
    for version in ("one", "two"):
        write(tmp_path / version / "a.yaml")
    root = tmp_path / "fleet"
    root.mkdir()
    (root / "models").symlink_to(tmp_path / "one")
    async with listening(root) as ear:
        await settled(ear)
        (root / ".next").symlink_to(tmp_path / "two")
        (root / ".next").replace(root / "models")
        await ear.rings()
        await settled(ear)
        write(tmp_path / "two" / "a.yaml", "x")
        await ear.rings()


async def test_state_of_others_does_not_ring(tmp_path: Path):
    """What lies beside the root, or in a dot-folder below it, is none of our business."""
    root = tmp_path / "fleet"
    write(root / ".git" / "index")
    write(tmp_path / "beside" / "a.yaml")
    async with listening(root) as ear:
        await settled(ear)
        write(root / ".git" / "index", "x")
        write(tmp_path / "beside" / "a.yaml", "x")
        write(tmp_path / "other.yaml", "x")
        assert await ear.is_quiet(0.5)


async def test_two_roots_ring_one_bell(tmp_path: Path):
    first, second = write(tmp_path / "one" / "a.yaml"), write(tmp_path / "two" / "b.yaml")
    async with listening(first.parent, second.parent) as ear:
        for each in (first, second):
            await settled(ear)
            each.write_text("x")
            await ear.rings()


async def test_a_folder_with_a_loop_in_it_can_be_watched(tmp_path: Path):
    target = write(tmp_path / "a.yaml")
    (tmp_path / "up").symlink_to(tmp_path)
    async with listening(tmp_path) as ear:
        await settled(ear)
        target.write_text("x")
        await ear.rings()
