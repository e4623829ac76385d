"""Our own folders ring when somebody else has a hand in them, and stay quiet for what is in the making."""

import asyncio
import shutil
from pathlib import Path

import pytest

from lmctl.adapters.folder_bells import state_bells


@pytest.fixture
async def rings(tmp_path: Path):
    heard: asyncio.Queue[None] = asyncio.Queue()

    async def listen() -> None:
        folders, files = [tmp_path / "blobs"], [tmp_path / "run" / "surface.json"]
        async for _ in state_bells(folders, files):
            heard.put_nowait(None)

    async def ring_at(act) -> None:
        """Act until it rings: the watch may not have begun yet."""
        async with asyncio.timeout(20):
            while True:
                act()
                try:
                    async with asyncio.timeout(0.5):
                        return await heard.get()
                except TimeoutError:
                    continue

    task = asyncio.create_task(listen())
    yield ring_at, heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def is_quiet(heard: asyncio.Queue[None]) -> bool:
    try:
        await asyncio.wait_for(heard.get(), 1.0)
    except TimeoutError:
        return True
    return False


async def test_writes_and_deletions_ring_hidden_and_other_files_do_not(rings, tmp_path: Path):
    ring_at, heard = rings
    surface, other = tmp_path / "run" / "surface.json", tmp_path / "run" / "other.json"
    blob = tmp_path / "blobs" / "sha256" / "ab" / "abcd"

    async def written(path: Path, text: str) -> None:
        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        await ring_at(write)

    await written(surface, "one")
    await written(blob, "bytes")
    await ring_at(lambda: blob.unlink(missing_ok=True) or blob.write_text("x"))
    while not await is_quiet(heard):
        continue

    other.write_text("x")
    surface.with_name(".surface.json.1.tmp").write_text("x")
    assert await is_quiet(heard)


async def test_a_folder_that_was_deleted_is_made_again_and_watched_on(rings, tmp_path: Path):
    ring_at, _ = rings
    blobs = tmp_path / "blobs"
    await ring_at(lambda: (blobs.mkdir(exist_ok=True), (blobs / "one").write_text("x")))
    shutil.rmtree(blobs)
    await ring_at(lambda: blobs.exists() and (blobs / "two").write_text("x"))
