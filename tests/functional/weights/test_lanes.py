"""Large files travel over several connections, and whatever goes wrong costs only what was lost."""

import os

import pytest

from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind
from lmctl.adapters.weights.partial_file import arrived
from lmctl.adapters.weights.wanted import Lanes
from lmctl.base.spec import FailureKind
from lmctl.planning.weights_values import HubSource, UrlSource, Weights
from tests.support.file_server import Fault
from tests.support.weights_home import blobs, content, partials, quarantined, sha256

PIECE = 256 * 1024
DATA = content(10 * PIECE + 77)
DIGEST = sha256(DATA)
OF_HUB = Weights("acme/m", (HubSource("acme", "m"),))


@pytest.fixture(autouse=True)
def repo(hub):
    found = hub.repo("acme/m")
    found.commit({"m.gguf": DATA})
    return found


@pytest.fixture
def store(store_at, home):
    return store_at(home, lanes=Lanes(4, PIECE))


def ranges(hub):
    return sorted(each.headers.get("range", "all") for each in hub.bodies("resolve"))


async def test_every_byte_travels_once_in_pieces(store, home, hub):
    await store.fetch(OF_HUB)

    assert blobs(home) == {DIGEST}
    assert hub.sent("resolve") == len(DATA)
    assert len(ranges(hub)) == 11
    assert "all" not in ranges(hub)
    assert list((home / "partial").iterdir()) == []


async def test_a_file_of_unknown_size_is_shared_once_its_server_tells(store, home, files):
    files.files["/m.gguf"] = DATA
    await store.fetch(Weights("acme/u", (UrlSource(f"{files.url}/m.gguf", "m.gguf", DIGEST),)))

    asked = [each.headers.get("range", "all") for each in files.bodies()]
    assert asked[0] == "all"
    assert len(asked) == 12
    assert blobs(home) == {DIGEST}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after=100_000),
        Fault(stall_after=100_000),
        Fault(silent=True),
        Fault(status=503),
        Fault(status=429, headers={"Retry-After": "1"}),
        Fault(short=0, lie_about_length=10, cut_after=1000),
    ],
    ids=["cut", "stall", "silent", "503", "429", "shorter than said"],
)
async def test_trouble_of_one_connection_costs_no_byte_twice(store, home, hub, fault):
    hub.faults += [Fault(), Fault(), fault]

    await store.fetch(OF_HUB)

    assert blobs(home) == {DIGEST}
    assert hub.sent("resolve") == len(DATA)


async def test_a_server_that_is_busy_for_more_than_one_gets_fewer_connections(store, home, hub):
    hub.faults += [Fault(), *(Fault(status=429, headers={"Retry-After": "5"}) for _ in range(3))]

    await store.fetch(OF_HUB)

    assert blobs(home) == {DIGEST}
    assert len(hub.bodies("resolve")) <= 11 + 3


@pytest.mark.parametrize(
    "fault", [Fault(ignore_range=True), Fault(wrong_range=True)], ids=["ignored", "wrong"]
)
async def test_a_server_without_ranges_sends_all_of_it_to_one(store, home, hub, fault):
    hub.faults += [Fault(), fault]

    await store.fetch(OF_HUB)

    assert blobs(home) == {DIGEST}
    assert ranges(hub)[0] == "all"


async def test_garbage_in_one_piece_is_found_and_never_stored(store, home, hub):
    hub.faults += [Fault(), Fault(), Fault(corrupt=True)]

    with pytest.raises(WeightsUnavailable, match="sha256 is") as caught:
        await store.fetch(OF_HUB)

    assert failure_kind(caught.value) is FailureKind.INTEGRITY
    assert blobs(home) == set()
    assert len(quarantined(home)) == 1
    await store.fetch(OF_HUB)
    assert blobs(home) == {DIGEST}


async def test_a_file_the_hub_has_shorter_than_it_says_is_not_taken(store, home, hub):
    hub.faults.append(Fault(short=10, times=-1))

    with pytest.raises(WeightsUnavailable, match="bytes offered"):
        await store.fetch(OF_HUB)

    assert blobs(home) == set()


async def test_only_what_the_disk_lost_is_fetched_again(store, home, hub):
    hub.faults += [*(Fault() for _ in range(8)), Fault(status=404, times=-1)]
    with pytest.raises(WeightsUnavailable):
        await store.fetch(OF_HUB)
    hub.faults.clear()
    before = hub.sent("resolve")
    [part] = partials(home)
    missing = len(DATA) - arrived(part)
    with part.open("r+b") as file:
        file.seek(PIECE + 5)
        file.write(b"\0" * 10)

    await store.fetch(OF_HUB)

    assert blobs(home) == {DIGEST}
    assert missing < hub.sent("resolve") - before <= missing + PIECE


async def test_a_disk_that_loses_bytes_under_a_download_is_found_at_its_end(store, home, hub):
    def lose():
        [part] = partials(home)
        with part.open("r+b") as file:
            file.write(os.urandom(10))

    hub.at_offset = (6 * PIECE, lose)
    await store.fetch(OF_HUB)

    assert blobs(home) == {DIGEST}
    assert quarantined(home) == []


async def test_a_full_disk_is_said_before_a_byte_is_asked_for(store_at, home, hub):
    full = store_at(home, lanes=Lanes(4, PIECE), free=lambda _: 65 * 1024 * 1024)

    with pytest.raises(WeightsUnavailable) as caught:
        await full.fetch(OF_HUB)

    assert failure_kind(caught.value) is FailureKind.CAPACITY
    assert blobs(home) == set()


async def test_a_disk_that_fills_up_on_the_way_keeps_what_came(store_at, home, hub):
    room = iter([10**9] * 8)
    filling = store_at(home, lanes=Lanes(4, PIECE), free=lambda _: next(room, 64 * 1024 * 1024))

    with pytest.raises(WeightsUnavailable, match="no room for m") as caught:
        await filling.fetch(OF_HUB)

    assert failure_kind(caught.value) is FailureKind.CAPACITY
    assert partials(home)
    await store_at(home, lanes=Lanes(4, PIECE)).fetch(OF_HUB)
    assert blobs(home) == {DIGEST}
    assert hub.sent("resolve") <= len(DATA) + 4 * PIECE


async def test_progress_counts_what_all_connections_brought(store):
    seen = []

    await store.fetch(OF_HUB, seen.append)

    assert seen[-1].done == seen[-1].total == len(DATA)
    assert [each.done for each in seen] == sorted(each.done for each in seen)
