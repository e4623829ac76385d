"""A large download is killed with signal 9 at fifty random offsets, and resumed from a faulty hub."""

import asyncio
import multiprocessing
import os
import random
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lmctl.adapters.weights.partial_file import arrived
from lmctl.adapters.weights.store import WeightsStore
from lmctl.adapters.weights.wanted import Lanes, Timing
from lmctl.planning.weights_values import HubSource, Weights
from tests.support.file_server import Fault
from tests.support.localhub import LocalHub
from tests.support.weights_home import blobs, sha256

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MIB = 1024 * 1024
SIZE = 24 * MIB + 12_345
LOST_AT_MOST = 8 * MIB
OF_HUB = Weights("acme/big", (HubSource("acme", "big"),))
KILLS = 50
# What goes wrong with one answer of the resumed download, beside the kill.
FAULTS = (
    Fault(),
    Fault(cut_after=70_000),
    Fault(stall_after=70_000),
    Fault(lie_about_length=10),
    Fault(status=503),
    Fault(status=429, headers={"Retry-After": "1"}),
)
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


def resumed(home: Path) -> WeightsStore:
    """Return a store that goes on at once after trouble."""
    timing = Timing(stall=2.0)
    return WeightsStore(home, timing=timing, lanes=Lanes(4, 2 * MIB), sleep=at_once)


async def at_once(_seconds: float) -> None:
    """Do not wait."""


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
        hub.faults = [replace(chance.choice(FAULTS))]
        sent, kept = hub.written, sum(map(arrived, (home / "partial").glob("*.part")))

        asyncio.run(resumed(home).fetch(OF_HUB))

        hub.faults.clear()
        assert blobs(home) == {digest}, f"killed at {offset}"
        assert hub.written - sent <= SIZE - kept + MIB, "what was here was asked for again"
        lost.append(hub.written - SIZE)
        shutil.rmtree(home)
    with capsys.disabled():
        sys.stdout.write(f"\nfetched again: {max(lost)} bytes at most, of {SIZE}\n")
    assert max(lost) <= LOST_AT_MOST, lost
