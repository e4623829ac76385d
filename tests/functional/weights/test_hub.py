"""The real huggingface_hub client against a local hub: what is picked, fetched, proven and refused."""

import pytest

from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind
from lmctl.base.spec import FailureKind
from lmctl.planning.weights_values import HubSource, UrlSource, Weights
from tests.support.file_server import Fault, FileServer, refusing_port
from tests.support.weights_home import blobs, content, quarantined, sha256

MODEL = content(2_500_000)
Q4 = "tiny-Q4_K_M.gguf"


def of(**more):
    return Weights("acme/tiny", (HubSource("acme", "tiny", **more),))


@pytest.fixture(autouse=True)
def repo(hub):
    repo = hub.repo("acme/tiny")
    repo.commit({"README.md": b"hello", Q4: MODEL, "tiny-Q8_0.gguf": content(3000, seed=2)})
    return repo


async def failure(store, weights):
    with pytest.raises(WeightsUnavailable) as caught:
        await store.fetch(weights)
    return str(caught.value), caught.value.hint or "", failure_kind(caught.value)


async def test_the_preferred_quantization_is_fetched_at_the_commit(store, home, hub, repo):
    stored = await store.fetch(of())

    assert [each.name for each in stored.files] == [Q4]
    assert stored.source == "huggingface acme/tiny"
    assert blobs(home) == {sha256(MODEL)}
    assert f"/resolve/{repo.refs['main']}/" in hub.bodies("/resolve/")[0].path


async def test_an_exact_file_or_a_glob_is_obeyed(store):
    exact = await store.fetch(of(file="tiny-Q8_0.gguf"))
    glob = await store.fetch(of(file="*q8_0*".upper().replace("*Q", "*Q")))

    assert exact.files[0].name == "tiny-Q8_0.gguf"
    assert glob.files[0].sha256 == exact.files[0].sha256


async def test_a_split_set_comes_whole_with_its_projector(store, repo):
    parts = [f"big-Q4_K_M-0000{n}-of-00002.gguf" for n in (1, 2)]
    files = {name: content(2000, seed=n) for n, name in enumerate(parts)}
    repo.commit(
        {**files, "mmproj-big-f16.gguf": content(1500, seed=9), "mmproj-big-f32.gguf": b"x"}
    )

    stored = await store.fetch(of())

    assert [each.name for each in stored.files] == [*parts, "mmproj-big-f16.gguf"]


async def test_a_set_with_a_missing_part_is_refused(store, repo):
    repo.commit({"big-00001-of-00002.gguf": content(2000)})

    message, _, kind = await failure(store, of())

    assert "big-00002-of-00002.gguf is missing" in message
    assert kind is FailureKind.CONFIG


async def test_a_tag_keeps_its_bytes_when_main_moves(store, home, repo):
    old = content(4000, seed=5)
    repo.commit({Q4: old}, tag="v1")
    repo.commit({Q4: MODEL})

    await store.fetch(of(revision="v1"))

    assert blobs(home) == {sha256(old)}


async def test_a_stored_blob_is_not_downloaded_again_for_other_weights(store, hub):
    await store.fetch(of())
    await store.fetch(of(file=Q4, sha256=sha256(MODEL)))

    assert len(hub.bodies("/resolve/")) == 1


async def test_a_download_resumes_in_another_store(store_at, home, hub):
    hub.faults += [Fault(Q4, cut_after=1_000_000), Fault(Q4, status=503, times=4)]
    await failure(store_at(home), of())

    await store_at(home).fetch(of())

    assert hub.bodies("/resolve/")[-1].range_start == 1_000_000
    assert blobs(home) == {sha256(MODEL)}


async def test_same_size_garbage_is_never_accepted(store, home, hub):
    """huggingface_hub itself stores such bytes under the right name (2.4.0)."""
    hub.faults.append(Fault(Q4, corrupt=True))

    message, _, kind = await failure(store, of())

    assert f"declared {sha256(MODEL)}" in message
    assert kind is FailureKind.INTEGRITY
    assert blobs(home) == set()
    assert len(quarantined(home)) == 1


async def test_small_files_are_proven_by_their_git_id(store, home, hub, repo):
    repo.commit({"nano.gguf": b"small"})
    hub.faults.append(Fault("nano.gguf", corrupt=True))

    message, _, kind = await failure(store, of())
    assert "git id is" in message
    assert kind is FailureKind.INTEGRITY

    await store.fetch(of())
    assert blobs(home) == {sha256(b"small")}


async def test_a_body_of_the_wrong_length_is_refused_before_it_is_read(store, home, hub):
    hub.faults.append(Fault(Q4, short=1))

    message, _, kind = await failure(store, of())

    assert "2499999 bytes offered, 2500000 bytes declared" in message
    assert kind is FailureKind.INTEGRITY
    assert blobs(home) == set()


async def test_another_hash_than_the_pinned_one_is_noticed_before_the_download(store, hub):
    message, hint, kind = await failure(store, of(file=Q4, sha256="0" * 64))

    assert f"{Q4} has sha256 {sha256(MODEL)}, pinned is {'0' * 64}" in message
    assert "pin a commit" in hint
    assert kind is FailureKind.INTEGRITY
    assert hub.bodies("/resolve/") == []


async def test_a_get_answered_503_is_tried_again(store, home, hub):
    """huggingface_hub itself gives up (2.4.0)."""
    hub.faults.append(Fault(Q4, status=503, times=2))

    await store.fetch(of())

    assert blobs(home) == {sha256(MODEL)}


@pytest.mark.parametrize(
    ("weights", "message", "hint"),
    [
        pytest.param(
            Weights("a/b", (HubSource("acme", "nothing"),)),
            "shows no repository acme/nothing",
            "check user and repo; if it is private, set HF_TOKEN",
            id="no repository",
        ),
        pytest.param(
            of(revision="v9"), "has no revision 'v9'", "name a branch, a tag", id="no revision"
        ),
        pytest.param(
            of(file="x.gguf"), "has no file 'x.gguf'", f"it has README.md, {Q4}", id="no file"
        ),
    ],
)
async def test_what_is_not_there_is_named_and_needs_a_person(store, weights, message, hint):
    told, advice, kind = await failure(store, weights)

    assert message in told
    assert hint in advice
    assert kind is FailureKind.CONFIG


async def test_an_mlx_repository_is_fetched_with_what_says_what_it_is(store, hub):
    told = {name: name.encode() for name in ("config.json", "tokenizer.json", "vocab.json")}
    hub.repo("acme/tiny-mlx").commit({"README.md": b"x", "model.safetensors": MODEL, **told})

    stored = await store.fetch(Weights("acme/tiny-mlx", (HubSource("acme", "tiny-mlx"),)))

    assert [each.name for each in stored.files] == ["model.safetensors", *list(told)[:2]]


async def test_a_repository_without_gguf_lists_what_it_has(store, repo):
    repo.commit({"model.safetensors": content(2000)})

    message, hint, _ = await failure(store, of())

    assert "has no GGUF file" in message
    assert "model.safetensors" in hint


async def test_a_gated_repository_asks_for_licence_and_token(store, hub, repo, monkeypatch):
    repo.gated = True
    message, hint, kind = await failure(store, of())
    assert "acme/tiny on 127.0.0.1:" in message
    assert "is gated" in message
    assert "accept its licence" in hint
    assert "HF_TOKEN" in hint
    assert kind is FailureKind.CONFIG

    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert (await store.fetch(of())).files[0].name == Q4


async def test_a_private_repository_opens_with_a_token_set_later(store, repo, monkeypatch):
    repo.private = True
    message, _, _ = await failure(store, of())
    assert "shows no repository" in message

    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert (await store.fetch(of())).files[0].name == Q4


async def test_a_bad_token_is_named_and_never_shown(store, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_stolen")

    message, hint, kind = await failure(store, of())

    assert "does not know the token" in message
    assert "hf_stolen" not in message + hint
    assert kind is FailureKind.CONFIG


async def test_the_token_stays_with_the_hub_when_a_file_lies_elsewhere(
    store, home, hub, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    with FileServer.running() as cdn:
        hub.cdn = cdn
        cdn.faults.append(Fault(cut_after=1_000_000))

        await store.fetch(of())

        assert [each.range_start for each in cdn.bodies()] == [0, 1_000_000]
        assert all("authorization" not in each.headers for each in cdn.bodies())
    assert all(each.headers["authorization"] == "Bearer hf_good" for each in hub.bodies())
    assert blobs(home) == {sha256(MODEL)}


async def test_an_endpoint_set_after_the_import_is_used(store, monkeypatch):
    port = refusing_port()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")

    message, _, kind = await failure(store, of())

    assert f"huggingface acme/tiny: cannot reach 127.0.0.1:{port} (connection refused)" in message
    assert kind is FailureKind.TRANSIENT


async def test_a_hub_that_fails_gives_way_to_the_next_source(store, hub, files):
    files.files["/m.gguf"] = MODEL
    hub.metadata_fault = (503, b"")
    spare = UrlSource(f"{files.url}/m.gguf", "m.gguf", sha256(MODEL))

    stored = await store.fetch(Weights("acme/tiny", (HubSource("acme", "tiny"), spare)))

    assert stored.source == f"url {files.url}/m.gguf"
    assert "answers 503 for acme/tiny" in stored.attempts[0]
