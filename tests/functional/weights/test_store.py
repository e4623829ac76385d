"""What is remembered of weights, and what is noticed when the disk changes under us."""

import json
import os
from dataclasses import replace

import pytest

from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind
from lmctl.base.errors import IntegrityError, NotFound
from lmctl.base.spec import FailureKind
from lmctl.planning.weights_values import FileSource, Weights, WeightsState
from tests.support.weights_home import blobs, content, quarantined, sha256

DATA = content(300_000)


@pytest.fixture
def original(tmp_path):
    path = tmp_path / "original.gguf"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def weights(original):
    return Weights("acme/m", (FileSource(str(original)),))


def blob(store, weights):
    return store.files_of(weights.key)[0][1]


def flip_a_byte(path, *, keep_time=False):
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


async def test_nothing_fetched_is_absent(store, weights):
    assert store.look(weights).state is WeightsState.ABSENT
    assert store.scan() == ()
    with pytest.raises(NotFound):
        store.files_of(weights.key)
    with pytest.raises(NotFound):
        await store.verify(weights)


async def test_what_was_fetched_is_known_to_a_new_store(store, store_at, home, weights):
    stored = await store.fetch(weights)
    again = store_at(home)

    assert again.look(weights).stored == stored
    assert again.look(weights).state is WeightsState.STORED
    assert again.scan() == (stored,)
    assert again.files_of(weights.key)[0][0].sha256 == sha256(DATA)


async def test_the_clock_given_dates_the_record(store_at, home, weights):
    stored = await store_at(home, clock=lambda: 1234.5).fetch(weights)

    assert stored.fetched_at == 1234.5


async def test_a_changed_original_does_not_change_the_blob(store, home, weights, original):
    await store.fetch(weights)
    original.write_bytes(b"something else")

    assert blob(store, weights).read_bytes() == DATA
    assert store.look(weights).state is WeightsState.STORED
    assert original.exists()


async def test_a_flipped_byte_is_seen_by_a_look_and_proven_by_verify(store, home, weights):
    await store.fetch(weights)
    flip_a_byte(blob(store, weights))

    seen = store.look(weights)
    assert seen.state is WeightsState.SUSPECT
    assert seen.reason == "original.gguf was changed on disk after it was verified"
    with pytest.raises(IntegrityError, match=sha256(DATA)):
        await store.verify(weights)

    assert blobs(home) == set()
    assert len(quarantined(home)) == 1
    assert store.look(weights).state is WeightsState.ABSENT
    await store.fetch(weights)
    assert blob(store, weights).read_bytes() == DATA


async def test_a_flipped_byte_with_the_old_time_is_found_by_verify(store, weights):
    await store.fetch(weights)
    flip_a_byte(blob(store, weights), keep_time=True)

    assert store.look(weights).state is WeightsState.STORED
    with pytest.raises(IntegrityError):
        await store.verify(weights)


async def test_a_touched_but_whole_file_is_verified_and_stored_again(store, weights):
    await store.fetch(weights)
    os.utime(blob(store, weights))
    assert store.look(weights).state is WeightsState.SUSPECT

    await store.verify(weights)

    assert store.look(weights).state is WeightsState.STORED


async def test_a_fetch_of_suspect_weights_replaces_what_is_wrong(store, weights):
    await store.fetch(weights)
    flip_a_byte(blob(store, weights))

    await store.fetch(weights)

    assert blob(store, weights).read_bytes() == DATA
    assert store.look(weights).state is WeightsState.STORED


async def test_a_truncated_or_missing_blob_is_suspect_and_says_why(store, weights):
    await store.fetch(weights)
    path = blob(store, weights)
    path.chmod(0o644)
    os.truncate(path, 10)
    assert store.look(weights).reason == "original.gguf has 10 bytes on disk, 300000 were stored"
    path.unlink()
    assert "cannot be found on disk" in store.look(weights).reason
    with pytest.raises(IntegrityError, match="is missing from the blobs"):
        await store.verify(weights)


async def test_a_damaged_record_counts_as_absent_and_is_written_again(store, home, weights):
    await store.fetch(weights)
    record = home / "weights" / f"{weights.key}.json"
    record.write_text("{")

    assert store.look(weights).state is WeightsState.ABSENT
    assert "damaged" in store.look(weights).reason
    assert store.scan() == ()
    await store.fetch(weights)
    assert json.loads(record.read_text())["model"] == "acme/m"


async def test_a_stored_pinned_file_needs_no_source(store, weights, original):
    await store.fetch(weights)
    original.unlink()
    pinned = Weights("acme/n", (FileSource(str(original), sha256(DATA)),))

    assert (await store.fetch(pinned)).files[0].sha256 == sha256(DATA)


async def test_a_pin_that_does_not_fit_leaves_the_original_alone(store, home, original):
    with pytest.raises(WeightsUnavailable, match=f"has sha256 {sha256(DATA)}") as caught:
        await store.fetch(Weights("a/b", (FileSource(str(original), "0" * 64),)))

    assert failure_kind(caught.value) is FailureKind.INTEGRITY
    assert original.read_bytes() == DATA
    assert blobs(home) == set()
    assert list((home / "partial").iterdir()) == []


async def test_every_source_that_failed_is_named(store, tmp_path):
    sources = (FileSource(str(tmp_path / "gone")), FileSource(str(tmp_path)))

    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(Weights("a/b", sources))

    assert caught.value.attempts == (
        f"file {tmp_path}/gone: cannot use {tmp_path}/gone: no such file or directory",
        f"file {tmp_path}: {tmp_path} is not a file",
    )
    assert failure_kind(caught.value) is FailureKind.CONFIG


async def test_a_split_set_of_files_comes_whole_with_its_projector(store, tmp_path):
    names = ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "mmproj-m-f16.gguf")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())

    stored = await store.fetch(Weights("a/b", (FileSource(str(tmp_path / names[0])),)))

    assert tuple(each.name for each in stored.files) == names


def test_the_key_follows_model_and_sources_only(weights, original):
    same = Weights("acme/m", (FileSource(str(original)),))
    assert same.key == weights.key
    assert len(weights.key) == 64
    assert replace(weights, model="acme/n").key != weights.key
    assert replace(weights, sources=weights.sources * 2).key != weights.key
