"""Stored bytes are read again: a flip without a trace is found, and a restart forgets nothing."""

import asyncio
import json

import pytest

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.scrubbing import SHARE, Scrubber
from lmctl.daemon.scrubbing import Scrub
from lmctl.planning.weights_values import FileSource, Weights, WeightsState
from tests.functional.weights.test_store import flip_a_byte
from tests.support.weights_home import blobs, content, quarantined, sha256

ONE, OTHER = content(3_000_000), content(100_000, seed=2)
WEEK = 7 * 86400.0


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(store_at, home, clock):
    return store_at(home, clock=clock)


@pytest.fixture
def weights(tmp_path):
    def make(name, data):
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(data)
        return Weights(f"acme/{name}", (FileSource(str(path)),))

    return make


@pytest.fixture
def scrubber_at(home, clock):
    made = []

    def make(rate=1e12):
        made.append(Scrubber(home, clock=clock, rate=lambda: rate))
        return made[-1]

    yield make
    for each in made:
        each.close()


def path_of(store, weights):
    return store.files_of(weights.key)[0][1]


async def test_every_blob_is_due_once_a_period_counted_from_when_it_was_last_hashed(
    store, scrubber_at, weights, clock
):
    await store.fetch(weights("one", ONE))
    clock.now += 100
    await store.fetch(weights("other", OTHER))
    scrubber = scrubber_at()

    due = scrubber.due(WEEK)

    assert [each.sha256 for each in due] == [sha256(ONE), sha256(OTHER)]
    assert [each.at for each in due] == [1_000_000 + WEEK * SHARE, 1_000_100 + WEEK * SHARE]
    clock.now = due[0].at
    assert await scrubber.scrub(due[0].sha256)
    assert [each.sha256 for each in scrubber.due(WEEK)] == [sha256(OTHER), sha256(ONE)]


async def test_what_was_scrubbed_is_remembered_by_the_next_daemon(
    store, scrubber_at, weights, clock
):
    await store.fetch(weights("one", ONE))
    clock.now += WEEK
    await scrubber_at().scrub(sha256(ONE))

    assert scrubber_at().due(WEEK)[0].at == clock.now + WEEK * SHARE


async def test_a_blob_nobody_remembers_hashing_is_due_at_once(store, scrubber_at, weights, home):
    await store.fetch(weights("one", ONE))
    (home / "blobs.json").write_text("{")

    assert scrubber_at().due(WEEK)[0].at < WEEK


async def test_a_flipped_byte_with_the_old_time_is_found_quarantined_and_fetched_again(
    store, scrubber_at, weights, home, clock
):
    wanted = weights("one", ONE)
    await store.fetch(wanted)
    flip_a_byte(path_of(store, wanted), keep_time=True)
    assert store.look(wanted).state is WeightsState.STORED  # a look cannot know

    clock.now += 5
    assert not await scrubber_at().scrub(sha256(ONE))

    seen = store.look(wanted)
    assert seen.state is WeightsState.ABSENT
    assert seen.reason == "one.gguf was found damaged on disk and is in quarantine"
    assert store.damaged() == {sha256(ONE): clock.now}
    assert store.models_with(sha256(ONE)) == ("acme/one",)
    assert len(quarantined(home)) == 1
    await store.fetch(wanted)
    assert path_of(store, wanted).read_bytes() == ONE
    assert store.look(wanted).state is WeightsState.STORED


async def test_damage_found_by_a_verify_is_remembered_too(store, weights, clock):
    wanted = weights("one", ONE)
    await store.fetch(wanted)
    flip_a_byte(path_of(store, wanted))

    with pytest.raises(Exception, match="its bytes changed"):
        await store.verify(wanted)

    assert store.damaged() == {sha256(ONE): clock.now}


async def test_a_file_that_takes_its_place_meanwhile_is_judged_for_itself(home, weights, store):
    """Who fetches a blob again while it is being hashed must not lose the new one."""
    wanted = weights("one", ONE)
    await store.fetch(wanted)
    path = path_of(store, wanted)
    flip_a_byte(path, keep_time=True)
    hashed = []

    async def hashing(found):
        hashed.append(sha256(found.read_bytes()))
        if len(hashed) == 1:
            fresh = path.with_name("fresh")
            fresh.write_bytes(ONE)
            fresh.replace(path)
        return hashed[-1]

    assert await Blobs(home).sound(sha256(ONE), hashing=hashing)
    assert len(hashed) == 2
    assert quarantined(home) == []


async def test_an_unreadable_disk_is_damage(home, weights, store):
    await store.fetch(weights("one", ONE))

    async def broken(_path):
        raise OSError(5, "Input/output error")

    assert not await Blobs(home).sound(sha256(ONE), hashing=broken)
    assert "not to be read" in quarantined(home)[0]


async def test_a_vanished_blob_is_no_damage(home, store, weights, scrubber_at):
    wanted = weights("one", ONE)
    await store.fetch(wanted)
    path_of(store, wanted).unlink()

    assert await scrubber_at().scrub(sha256(ONE))
    assert store.damaged() == {}
    assert store.look(wanted).reason == "one.gguf cannot be found on disk"


async def test_a_scrub_keeps_to_its_rate_and_ends_when_it_is_told(store, scrubber_at, weights):
    await store.fetch(weights("one", ONE))
    slow = scrubber_at(rate=1000.0)  # fifty minutes for this file

    task = asyncio.ensure_future(slow.scrub(sha256(ONE)))
    done, _ = await asyncio.wait({task}, timeout=0.3)
    task.cancel()
    await asyncio.wait({task}, timeout=10)

    assert not done
    assert task.cancelled()


async def test_the_background_scrubs_what_is_due_and_tells_damage(
    store, scrubber_at, weights, home, clock
):
    wanted = weights("one", ONE)
    await store.fetch(wanted)
    await store.fetch(weights("other", OTHER))
    told, asked = [], []

    async def changed(seconds):
        asked.append(seconds)
        clock.now += 1
        if len(asked) == 8:
            raise asyncio.CancelledError

    scrub = Scrub(
        scrubber_at(), clock=clock, period=lambda: 4.0, damaged=told.append, changed=changed
    )
    assert await scrub.once() == 3.0
    flip_a_byte(path_of(store, wanted), keep_time=True)
    with pytest.raises(asyncio.CancelledError):
        await scrub.run()

    assert told == [sha256(ONE)]
    assert blobs(home) == {sha256(OTHER)}
    assert set(json.loads((home / "blobs.json").read_text())["verified"]) >= {sha256(OTHER)}


async def test_an_empty_home_waits(scrubber_at, clock):
    scrub = Scrub(
        scrubber_at(), clock=clock, period=lambda: 4.0, damaged=print, changed=asyncio.sleep
    )

    assert await scrub.once() == 600
