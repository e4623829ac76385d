"""A download of a large file is killed with signal 9 at fifty random offsets, and resumed."""

import asyncio
import multiprocessing
import os
import random
import shutil
import sys
import threading
from pathlib import Path

import pytest

from lmctl.adapters.weights.partial_file import arrived
from lmctl.adapters.weights.store import WeightsStore
from lmctl.adapters.weights.wanted import Lanes
from lmctl.planning.weights_values import HubSource, Weights
from tests.support.localhub import LocalHub
from tests.support.weights_home import blobs, sha256

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MIB = 1024 * 1024
SIZE = 24 * MIB + 12_345
LOST_AT_MOST = 8 * MIB
OF_HUB = Weights("acme/big", (HubSource("acme", "big"),))
KILLS = 50
PRELOAD = ["lmctl.adapters.weights.hub", "lmctl.adapters.weights.store", "tests.support.localhub"]


def fetch(home: str) -> None:
    """Download it: four connections as ever, pieces small enough to have several each."""
    store = WeightsStore(Path(home), lanes=Lanes(4, 2 * MIB))
    asyncio.run(store.fetch(OF_HUB))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN", "")
    with LocalHub.running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.repo("acme/big").commit({"big-Q4_K_M.gguf": random.Random(9).randbytes(SIZE)})
        yield server


def killed_at(offset: int, home: Path, hub: LocalHub) -> None:
    """Download until so many bytes were sent, and not further."""
    hub.written = 0
    reached = threading.Event()
    hub.at_offset = (offset, reached.set)
    process = multiprocessing.get_context("forkserver").Process(target=fetch, args=(str(home),))
    process.start()
    assert reached.wait(60)
    process.kill()
    process.join(60)


def test_the_hash_is_right_and_little_is_fetched_again(hub, tmp_path, capsys):
    [whole] = hub.repos["acme/big"].commits.values()
    digest = sha256(whole["big-Q4_K_M.gguf"].data)
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOAD)
    chance, lost = random.Random(os.environ.get("LMCTL_SEED", "4711")), []
    for number in range(KILLS):
        home = tmp_path / f"home-{number}"
        offset = chance.randrange(1, SIZE)
        killed_at(offset, home, hub)
        sent, kept = hub.written, sum(map(arrived, (home / "partial").glob("*.part")))

        asyncio.run(WeightsStore(home, lanes=Lanes(4, 2 * MIB)).fetch(OF_HUB))

        assert blobs(home) == {digest}, f"killed at {offset}"
        assert hub.written - sent <= SIZE - kept + MIB, "what was here was asked for again"
        lost.append(hub.written - SIZE)
        shutil.rmtree(home)
    with capsys.disabled():
        sys.stdout.write(f"\nfetched again: {max(lost)} bytes at most, of {SIZE}\n")
    assert max(lost) <= LOST_AT_MOST, lost
