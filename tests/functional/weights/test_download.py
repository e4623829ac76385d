"""Downloads end with the right bytes, or with a clear error and nothing in the store."""

import asyncio

import pytest

from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind, retry_after
from lmctl.base.spec import FailureKind
from lmctl.planning.weights_values import UrlSource, Weights
from tests.support.file_server import Fault, refusing_port
from tests.support.weights_home import (
    blobs,
    blobs_are_what_they_say,
    content,
    partials,
    quarantined,
    sha256,
)

DATA = content(3_000_000)
DIGEST = sha256(DATA)


def at(server, path="/m.gguf", digest=DIGEST):
    return UrlSource(f"{server.url}{path}", "m.gguf", digest)


def weights(*sources):
    return Weights("acme/m", sources)


@pytest.fixture(autouse=True)
def served(files):
    files.files["/m.gguf"] = DATA


async def test_a_whole_file_becomes_a_blob_and_leaves_no_partial(store, home, files):
    stored = await store.fetch(weights(at(files)))

    assert [(each.name, each.sha256, each.size) for each in stored.files] == [
        ("m.gguf", DIGEST, len(DATA))
    ]
    assert blobs(home) == {DIGEST}
    assert list((home / "partial").iterdir()) == []
    assert store.files_of(stored.key)[0][1].read_bytes() == DATA


@pytest.mark.parametrize("offset", [1, 70_000, 1_048_576, 1_500_001, len(DATA) - 1])
async def test_a_cut_connection_costs_no_byte_twice(store, home, files, offset):
    files.faults.append(Fault(cut_after=offset))

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}
    assert [each.range_start for each in files.bodies()] == [0, offset]
    assert files.sent() == len(DATA)


async def test_many_cuts_in_a_row_still_end_well(store, home, files):
    files.faults.append(Fault(cut_after=200_000, times=12))

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}
    assert files.sent() == len(DATA)


async def test_a_stalled_connection_is_left_and_resumed(store, home, files):
    files.faults.append(Fault(stall_after=1_200_000))

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}
    assert [each.range_start for each in files.bodies()] == [0, 1_200_000]


async def test_the_next_call_continues_where_the_last_gave_up(store_at, home, files):
    files.faults += [Fault(cut_after=1_000_000), Fault(status=503, times=4)]
    with pytest.raises(WeightsUnavailable):
        await store_at(home).fetch(weights(at(files)))
    assert partials(home)[0].stat().st_size == 1_000_000

    await store_at(home).fetch(weights(at(files)))

    assert files.bodies()[-1].range_start == 1_000_000
    assert files.bodies()[-1].headers["if-range"]
    assert blobs_are_what_they_say(home)


async def test_another_mirror_continues_the_same_partial(store, home, files):
    files.files["/mirror/m.gguf"] = DATA
    files.faults += [
        Fault("/m.gguf", cut_after=1_000_000),
        Fault("/m.gguf", status=503, times=4),
    ]

    stored = await store.fetch(weights(at(files), at(files, "/mirror/m.gguf")))

    assert stored.source.endswith("/mirror/m.gguf")
    assert files.bodies("/mirror")[0].range_start == 1_000_000
    assert blobs(home) == {DIGEST}


async def test_a_server_that_ignores_ranges_starts_over(store, home, files):
    files.faults += [Fault(cut_after=1_000_000), Fault(ignore_range=True)]

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}
    assert files.sent() == 1_000_000 + len(DATA)


async def test_a_server_that_sends_another_range_is_not_believed(store, home, files):
    files.faults += [Fault(cut_after=1_000_000), Fault(wrong_range=True)]

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}


async def test_a_partial_longer_than_the_file_starts_over(store, home, files):
    (home / "partial").mkdir(parents=True)
    (home / "partial" / f"sha256-{DIGEST}.part").write_bytes(DATA + b"more")

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}


async def test_a_complete_partial_is_not_downloaded_again(store, home, files):
    (home / "partial").mkdir(parents=True)
    (home / "partial" / f"sha256-{DIGEST}.part").write_bytes(DATA)

    await store.fetch(weights(at(files)))

    assert files.sent() == 0
    assert blobs(home) == {DIGEST}


async def test_a_torn_partial_is_fetched_once_more_and_not_blamed_on_the_server(store, home, files):
    (home / "partial").mkdir(parents=True)
    (home / "partial" / f"sha256-{DIGEST}.part").write_bytes(b"\0" * 1_000_000)

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}
    assert quarantined(home) == []


async def test_garbage_of_the_right_size_goes_to_quarantine_and_the_next_source_serves(
    store, home, files
):
    files.files["/other.gguf"] = DATA
    files.faults.append(Fault("/m.gguf", corrupt=True, times=-1))

    stored = await store.fetch(weights(at(files), at(files, "/other.gguf")))

    assert blobs(home) == {DIGEST}
    assert len(quarantined(home)) == 1
    assert f"declared {DIGEST}" in quarantined(home)[0]
    assert len(stored.attempts) == 1
    assert stored.attempts[0].startswith(f"url {files.url}/m.gguf: m.gguf: sha256 is ")
    assert stored.source == f"url {files.url}/other.gguf"


async def test_garbage_from_the_only_source_is_never_stored(store, home, files):
    files.faults.append(Fault(corrupt=True, times=-1))

    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights(at(files)))

    assert failure_kind(caught.value) is FailureKind.INTEGRITY
    assert blobs(home) == set()
    assert store.scan() == ()


async def test_a_body_shorter_than_announced_is_continued(store, home, files):
    files.faults.append(Fault(short=10, lie_about_length=10))

    await store.fetch(weights(at(files)))

    assert blobs(home) == {DIGEST}


async def test_a_truncated_file_on_the_server_is_an_integrity_error(store, home, files):
    files.faults.append(Fault(short=10, times=-1))

    with pytest.raises(WeightsUnavailable, match="sha256 is"):
        await store.fetch(weights(at(files)))

    assert blobs(home) == set()


async def test_a_busy_server_is_asked_again(store, home, files):
    files.faults.append(Fault(status=503, times=2, headers={"Retry-After": "1"}))

    await store.fetch(weights(at(files)))

    assert len(files.bodies()) == 3
    assert blobs(home) == {DIGEST}


async def test_waits_are_what_the_server_asked_for_or_double(store_at, home, files):
    waits = []

    async def note(seconds):
        waits.append(seconds)

    files.faults += [Fault(status=503, headers={"Retry-After": "7"}), Fault(status=500, times=2)]
    await store_at(home, sleep=note).fetch(weights(at(files)))

    assert waits == [7, 2, 4]


async def test_a_server_that_wants_an_hour_is_left_with_that_hour_told(store, files):
    files.faults.append(Fault(status=429, times=-1, headers={"Retry-After": "3600"}))

    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights(at(files)))

    assert retry_after(caught.value) == 3600
    assert failure_kind(caught.value) is FailureKind.TRANSIENT
    assert len(files.bodies()) == 1


async def test_nobody_listening_gives_way_at_once_to_the_next_source(store, files):
    port = refusing_port()
    dead = UrlSource(f"http://127.0.0.1:{port}/m.gguf", "m.gguf", DIGEST)

    stored = await store.fetch(weights(dead, at(files)))

    reason = f"cannot reach 127.0.0.1:{port} (connection refused)"
    assert stored.attempts == (f"url http://127.0.0.1:{port}/m.gguf: m.gguf: {reason}",)
    assert stored.source == f"url {files.url}/m.gguf"


async def test_a_silent_server_gives_way_to_the_next_source(store, files):
    files.files["/other.gguf"] = DATA
    files.faults.append(Fault("/m.gguf", silent=True, times=-1))

    stored = await store.fetch(weights(at(files), at(files, "/other.gguf")))

    assert "does not answer" in stored.attempts[0]
    assert len(files.bodies("/m.gguf")) == 1


async def test_a_missing_file_says_so_and_needs_a_person(store, files):
    with pytest.raises(WeightsUnavailable, match=r"/gone does not exist \(status 404\)") as caught:
        await store.fetch(weights(at(files, "/gone")))

    assert failure_kind(caught.value) is FailureKind.CONFIG


async def test_an_address_that_is_none_says_what_is_expected(store):
    with pytest.raises(WeightsUnavailable, match="is not an http or https address"):
        await store.fetch(weights(UrlSource("ftp://x/m.gguf", "m.gguf", DIGEST)))


async def test_redirects_are_followed_but_not_for_ever(store, home, files):
    files.faults += [Fault(status=302, headers={"Location": "/m.gguf"}, times=2)]
    await store.fetch(weights(at(files)))
    assert blobs(home) == {DIGEST}

    files.files["/loop"] = b""
    files.faults.append(Fault("/loop", status=302, headers={"Location": "/loop"}, times=-1))
    with pytest.raises(WeightsUnavailable, match="redirects more than 5 times"):
        await store.fetch(weights(at(files, "/loop", sha256(b"other"))))


async def test_credentials_of_an_address_reach_its_host_and_no_message(store, files, home):
    secret = files.url.replace("://", "://me:hunter2@")
    files.faults.append(Fault(status=500, times=-1))

    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights(UrlSource(f"{secret}/m.gguf?key=k3y", "m.gguf", DIGEST)))

    assert all(each.headers["authorization"].startswith("Basic ") for each in files.bodies())
    told = f"{caught.value} {caught.value.hint}" + "".join(
        path.read_text() for path in home.rglob("*.json")
    )
    assert "hunter2" not in told
    assert "k3y" not in told


async def test_a_cancelled_download_leaves_a_partial_that_resumes(store_at, home, files):
    store = store_at(home, timing=None)
    files.faults.append(Fault(stall_after=2_500_000))
    moved = asyncio.Event()
    task = asyncio.create_task(
        store.fetch(weights(at(files)), lambda each: each.done > 500_000 and moved.set())
    )
    async with asyncio.timeout(10):
        await moved.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = partials(home)[0].stat().st_size
    assert kept > 500_000

    await store.fetch(weights(at(files)))

    assert files.bodies()[-1].range_start == kept
    assert blobs(home) == {DIGEST}


async def test_a_full_disk_is_told_in_bytes_before_anything_is_written(store_at, home, files):
    store = store_at(home, free=lambda _folder: 65 * 1024 * 1024)

    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights(at(files)))

    assert f"{len(DATA)} bytes (2.9 MiB) needed, 1048576 bytes (1.0 MiB) free" in str(caught.value)
    assert failure_kind(caught.value) is FailureKind.CAPACITY
    assert blobs(home) == set()


async def test_progress_ends_at_the_total(store, files):
    seen = []

    await store.fetch(weights(at(files)), seen.append)

    assert seen[-1].done == seen[-1].total == len(DATA)
    assert [each.done for each in seen] == sorted(each.done for each in seen)
