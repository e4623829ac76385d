"""Weights out of wheels, with real pip against a local index."""

import pytest

from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind
from lmctl.base.spec import FailureKind
from lmctl.planning.weights_values import PackageSource, Part, UrlSource, Weights
from tests.support.file_server import Fault, refusing_port
from tests.support.package_server import build_wheel
from tests.support.weights_home import blobs, content, partials, quarantined, sha256

DATA = content(2_000_000)
HALVES = (DATA[:1_200_000], DATA[1_200_000:])


def of(*parts, sha=None, version="1.0", name="tiny.gguf"):
    return Weights("acme/tiny", (PackageSource(version, tuple(parts), name, sha),))


ONE = Part("tiny-weights", "tiny_weights/data/tiny.gguf")
TWO = (Part("tiny-part1", "p/part01.bin"), Part("tiny-part2", "p/part02.bin"))


@pytest.fixture(autouse=True)
def published(index):
    for part, half in zip(TWO, HALVES, strict=True):
        index.add(part.package, "1.0", {part.file: half})
    return index.add(ONE.package, "1.0", {ONE.file: DATA, "tiny_weights/__init__.py": b"1 / 0"})


async def failure(store, weights):
    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights)
    return str(caught.value), caught.value.hint or "", failure_kind(caught.value)


async def test_one_file_comes_out_of_its_wheel_and_the_wheel_is_gone(store, home, index):
    stored = await store.fetch(of(ONE, sha=sha256(DATA)))

    assert [(each.name, each.sha256) for each in stored.files] == [("tiny.gguf", sha256(DATA))]
    assert stored.source == "pypi tiny-weights==1.0"
    assert blobs(home) == {sha256(DATA)}
    assert list((home / "partial").iterdir()) == []


async def test_parts_are_joined_in_the_order_they_stand(store, home):
    await store.fetch(of(*TWO, sha=sha256(DATA)))

    assert blobs(home) == {sha256(DATA)}


async def test_parts_in_the_wrong_order_do_not_pass(store, home):
    message, hint, kind = await failure(store, of(*reversed(TWO), sha=sha256(DATA)))

    assert f"declared {sha256(DATA)}" in message
    assert "order and version of the parts" in hint
    assert kind is FailureKind.INTEGRITY
    assert blobs(home) == set()
    assert len(quarantined(home)) == 1


async def test_two_parts_of_one_package_are_one_wheel(store, index, home):
    index.add("both", "1.0", {"a": HALVES[0], "b": HALVES[1]})

    await store.fetch(of(Part("both", "a"), Part("both", "b"), sha=sha256(DATA)))

    assert blobs(home) == {sha256(DATA)}


async def test_a_cut_wheel_download_is_resumed(store, home, index, published):
    index.faults.append(Fault(".whl", cut_after=1_000_000))

    await store.fetch(of(ONE))

    assert [each.range_start for each in index.bodies(published)] == [0, 1_000_000]
    assert blobs(home) == {sha256(DATA)}


async def test_a_stored_blob_asks_nobody(store, index):
    await store.fetch(of(ONE))
    asked = len(index.asked)

    await store.fetch(of(*TWO, sha=sha256(DATA)))

    assert len(index.asked) == asked


async def test_a_missing_file_names_the_near_ones(store, home):
    message, hint, kind = await failure(store, of(Part("tiny-weights", "tiny_weights/tiny.gguf")))

    assert "has no file 'tiny_weights/tiny.gguf'" in message
    assert "tiny_weights/data/tiny.gguf" in hint
    assert kind is FailureKind.CONFIG
    assert blobs(home) == set()


async def test_a_version_that_does_not_exist_lists_what_does(store):
    message, hint, kind = await failure(store, of(ONE, version="9.9"))

    assert "no wheel of tiny-weights==9.9" in message
    assert "1.0" in hint
    assert kind is FailureKind.CONFIG


async def test_a_wheel_with_another_hash_than_the_index_says_is_not_opened(store, home, index):
    index.add("liar", "1.0", {"x.gguf": DATA}, sha256="0" * 64)

    message, _, kind = await failure(store, of(Part("liar", "x.gguf")))

    assert f"declared {'0' * 64}" in message
    assert kind is FailureKind.INTEGRITY
    assert blobs(home) == set()
    assert len(quarantined(home)) == 1


async def test_an_unreachable_index_gives_way_to_the_next_source(store, files, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{refusing_port()}/simple/")
    files.files["/m.gguf"] = DATA
    spare = UrlSource(f"{files.url}/m.gguf", "tiny.gguf", sha256(DATA))
    first = of(ONE).sources[0]

    stored = await store.fetch(Weights("acme/tiny", (first, spare)))

    reason = "cannot fetch tiny-weights==1.0: the package index cannot be reached"
    assert stored.attempts == (f"pypi tiny-weights==1.0: {reason}",)


async def test_credentials_of_the_index_work_and_are_never_told(
    store, home, index, published, monkeypatch
):
    monkeypatch.setenv("PIP_INDEX_URL", index.require("me", "hunter2"))

    await store.fetch(of(ONE))
    message, hint, _ = await failure(store, of(ONE, version="9.9"))

    assert blobs(home) == {sha256(DATA)}
    assert len(index.bodies(published)) == 1
    told = message + hint + "".join(path.read_text() for path in home.rglob("*.json"))
    assert "hunter2" not in told


async def test_a_folder_of_wheels_serves_through_pip(store, home, tmp_path, monkeypatch):
    folder = tmp_path / "wheels"
    folder.mkdir()
    name, wheel = build_wheel(ONE.package, "2.0", {ONE.file: DATA})
    (folder / name).write_bytes(wheel)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    await store.fetch(of(ONE, version="2.0", sha=sha256(DATA)))

    assert blobs(home) == {sha256(DATA)}
    assert [each.name for each in folder.iterdir()] == [name]


async def test_pip_fetches_what_the_index_refuses_us(store, home, index, published):
    """Some mirrors serve pip and turn others away."""
    index.turn_away("python-httpx2")

    await store.fetch(of(ONE, sha=sha256(DATA)))

    assert blobs(home) == {sha256(DATA)}
    assert partials(home) == []
