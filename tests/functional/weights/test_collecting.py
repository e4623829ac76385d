"""What nobody needs goes after a while, what somebody may need stays."""

import os
from pathlib import Path

import pytest

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.collecting import Collector, Kind, Roots
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.planning.weights_values import FileSource, Weights
from tests.support.weights_home import blobs, content, sha256

ONE, OTHER, THIRD = (content(size, seed=size) for size in (30_000, 40_000, 50_000))
NONE = Roots(frozenset(), frozenset())


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def collector(home, clock):
    return Collector(home, clock=clock)


@pytest.fixture
def stored(store, home, tmp_path):
    """Store a model of these files and link it."""

    async def make(name, *contents):
        paths = [
            tmp_path / f"{name}-{n:05d}-of-{len(contents):05d}.gguf"
            for n in range(1, 1 + len(contents))
        ]
        for path, data in zip(paths, contents, strict=True):
            path.write_bytes(data)
        weights = Weights(f"acme/{name}", (FileSource(str(paths[0])),))
        ModelsTree(home).link(weights, await store.fetch(weights))
        return weights

    return make


def keys(*weights):
    return Roots(frozenset(each.key for each in weights), frozenset())


async def sweep(collector, roots, *, longest=0.0):
    found = collector.mark(roots)
    return [each.what for each in found if await collector.remove(each)]


async def test_what_is_needed_stays(collector, stored, home):
    one, other = await stored("one", ONE), await stored("other", OTHER)

    assert await sweep(collector, keys(one, other)) == []
    assert blobs(home) == {sha256(ONE), sha256(OTHER)}


async def test_a_record_nobody_wants_goes_with_its_files_and_links(collector, store, stored, home):
    one, _ = await stored("one", ONE, THIRD), await stored("other", OTHER)

    found = collector.mark(keys(one))
    assert [(each.kind, each.what, each.size) for each in found] == [
        (Kind.BLOB, "other-00001-of-00001.gguf of acme/other", len(OTHER)),
        (Kind.RECORD, "record of acme/other", 0),
    ]
    await sweep(collector, keys(one))

    assert blobs(home) == {sha256(ONE), sha256(THIRD)}
    assert [each.model for each in store.scan()] == ["acme/one"]
    assert not (home / "models/acme/other").exists()
    assert (home / "models/acme/one").is_dir()
    assert collector.mark(keys(one)) == ()


async def test_a_file_two_models_share_stays_while_one_of_them_does(collector, stored, home):
    one, _ = await stored("one", ONE, THIRD), await stored("other", THIRD, OTHER)

    await sweep(collector, keys(one))

    assert blobs(home) == {sha256(ONE), sha256(THIRD)}


async def test_a_locked_or_loaded_file_stays_without_any_record(collector, stored, home):
    await stored("one", ONE)
    await stored("other", OTHER)

    await sweep(collector, Roots(frozenset(), frozenset({sha256(ONE)})))

    assert blobs(home) == {sha256(ONE)}


async def test_time_counts_from_when_it_became_unused_and_starts_anew_when_it_is_needed_again(
    collector, stored, clock
):
    one = await stored("one", ONE)
    assert {each.since for each in collector.mark(NONE)} == {clock.now}
    clock.now += 100
    assert {each.since for each in collector.mark(NONE)} == {clock.now - 100}
    assert collector.mark(keys(one)) == ()
    clock.now += 100

    assert {each.since for each in collector.mark(NONE)} == {clock.now}


async def test_the_longest_unused_comes_first(collector, stored, clock):
    one, _ = await stored("one", ONE), await stored("other", OTHER)
    collector.mark(keys(one))
    clock.now += 10

    found = [each.what for each in collector.mark(NONE)]

    assert found == [
        "other-00001-of-00001.gguf of acme/other",
        "record of acme/other",
        "one-00001-of-00001.gguf of acme/one",
        "record of acme/one",
    ]


async def test_unfinished_downloads_count_by_their_last_write_unless_somebody_works_on_them(
    collector, home
):
    wanted = sha256(ONE)
    for name in ("from-a.part", "from-a.json", "from-b.part", f"sha256-{wanted}.part", "x.lock"):
        (home / "partial").mkdir(parents=True, exist_ok=True)
        (home / "partial" / name).write_bytes(b"12345")
        os.utime(home / "partial" / name, (500.0, 500.0))
    (home / "partial" / "tmpwheel").mkdir()
    roots = Roots(frozenset(), frozenset({wanted}))

    found = collector.mark(roots)
    assert [(each.name, each.since) for each in found[:2]] == [
        ("from-a.part", 500.0), ("from-b.part", 500.0),
    ]  # fmt: skip
    async with Blobs(home).lock("from-b"):
        removed = await sweep(collector, roots)

    left = {path.name for path in (home / "partial").iterdir()}
    assert len(removed) == 2
    assert left == {"from-b.part", f"sha256-{wanted}.part", "x.lock"}


async def test_what_was_removed_is_forgotten_and_can_be_fetched_again(
    collector, store, stored, home
):
    one = await stored("one", ONE)
    await sweep(collector, NONE)
    assert Blobs(home).notes.read().verified == {}

    assert (await store.fetch(one)).sha256s == (sha256(ONE),)


async def test_files_a_user_put_there_are_never_touched(collector, home):
    own: Path = home / "models/acme/mine/own.gguf"
    own.parent.mkdir(parents=True)
    own.write_bytes(ONE)

    assert await sweep(collector, NONE) == []
    assert own.read_bytes() == ONE
