"""Downloads people asked for: begun, paused, gone on with after the daemon ended, given up."""

import asyncio
import itertools

import pytest

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.by_request import Downloaded, DownloadJobs
from lmctl.adapters.weights.fetch_errors import NoSpace
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.base.errors import NotFound, Refused
from lmctl.daemon.download_shelf import Ears, Shelf
from lmctl.daemon.downloading import Downloading
from lmctl.daemon.progress import Changes
from lmctl.planning.downloads import HubModel
from tests.support.file_server import Fault
from tests.support.weights_home import blobs, content, partials, sha256

SIZE = 3 * 1024 * 1024
WEIGHTS = content(SIZE)


class Daemon:
    """The downloads of one home, as a daemon has them."""

    def __init__(self, store, home):
        self.told = []
        self.waits = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.changes = Changes()
        self.rung = 0
        blobs_ = Blobs(home)
        shelf = Shelf(store, ModelsTree(home), blobs_, DownloadJobs(home), Downloaded(home))
        self.kept = shelf.kept
        self.counted = 0
        tell = lambda subject, reason, *_: self.told.append(f"{subject} {reason}")  # noqa: E731
        self.downloads = Downloading(
            shelf,
            Ears(tell, self.changes.bump, self._ring, self._came),
            clock=itertools.count(1000.0).__next__,
            sleep=self._wait,
        )

    def _came(self, size):
        self.counted += size

    def _ring(self):
        self.rung += 1

    async def _wait(self, seconds):
        self.waits.append(seconds)
        await self.may_go_on.wait()

    async def until(self, holds):
        async with asyncio.timeout(30):
            while not holds(self.downloads.list()):
                await self.changes.after(self.changes.number, seconds=5)
        return self.downloads.list()

    async def until_over(self):
        [view] = await self.until(lambda all_: all_ and all_[-1].status in ("completed", "failed"))
        return view


@pytest.fixture
def repo(hub):
    found = hub.repo("acme/tiny-GGUF")
    found.commit({"tiny-Q4_K_M.gguf": WEIGHTS, "README.md": b"# tiny"})
    return found


@pytest.fixture
async def daemon(store, home):
    made = Daemon(store, home)
    yield made
    await made.downloads.stop()


def asked(repo, file="tiny-Q4_K_M.gguf"):
    return HubModel("acme/tiny-GGUF", "acme", "tiny-GGUF", repo.refs["main"], file, "Q4_K_M")


def start(daemon, repo):
    return daemon.downloads.start(asked(repo), total=SIZE, sha256s=(sha256(WEIGHTS),))


async def test_a_download_becomes_a_model_with_a_link(daemon, repo, home):
    begun = start(daemon, repo)
    assert (begun.status, begun.total, begun.id[:4], len(begun.id)) == (
        "downloading",
        SIZE,
        "job_",
        14,
    )
    view = await daemon.until_over()
    assert (view.status, view.done, view.message) == ("completed", SIZE, "")
    assert view.completed_at > view.started_at
    assert blobs(home) == {sha256(WEIGHTS)}
    assert (home / "models/acme/tiny-GGUF/tiny-Q4_K_M.gguf").read_bytes() == WEIGHTS
    assert daemon.kept.read() == (asked(repo),)
    assert daemon.told == [
        "model/acme/tiny-GGUF DownloadStarted",
        "model/acme/tiny-GGUF DownloadCompleted",
    ]
    assert daemon.rung == 1


async def test_what_is_here_is_not_downloaded_again(daemon, repo, hub):
    start(daemon, repo)
    await daemon.until_over()
    asked_before = len(hub.asked)
    again = start(daemon, repo)
    assert (again.status, again.id) == ("already_downloaded", "")
    assert len(hub.asked) == asked_before


async def test_asking_twice_is_one_download(daemon, repo, hub):
    hub.faults.append(Fault("resolve", stall_after=1024))
    first = start(daemon, repo)
    assert start(daemon, repo).id == first.id
    await daemon.downloads.stop()


async def test_a_paused_download_goes_on_from_the_bytes_that_are_here(daemon, repo, hub):
    hub.faults.append(Fault("resolve", stall_after=2 * 1024 * 1024))
    job = start(daemon, repo).id
    await daemon.until(lambda all_: all_[0].done > 0)
    paused = await daemon.downloads.pause(job)
    assert paused.status == "paused"
    assert paused.done > 0
    assert (await daemon.downloads.pause(job)).status == "paused"
    assert daemon.downloads.resume(job).status == "downloading"
    assert (await daemon.until_over()).status == "completed"
    assert hub.sent("resolve") < SIZE + 2 * 1024 * 1024
    assert [each.split()[1] for each in daemon.told] == [
        "DownloadStarted", "DownloadPaused", "DownloadResumed", "DownloadCompleted",
    ]  # fmt: skip


async def test_the_next_daemon_goes_on_and_leaves_paused_ones_alone(store, home, repo, hub):
    hub.faults.append(Fault("resolve", stall_after=1024 * 1024))
    first = Daemon(store, home)
    job = start(first, repo).id
    await first.until(lambda all_: all_[0].done > 0)
    await first.downloads.stop()
    [kept] = DownloadJobs(home).read()
    assert (kept.id, kept.status) == (job, "downloading")

    second = Daemon(store, home)
    second.downloads.woke()
    assert (await second.until_over()).status == "completed"

    third = Daemon(store, home)
    third.downloads.woke()
    assert third.downloads.get(job).status == "completed"
    assert third.told == []


async def test_a_download_given_up_leaves_nothing(daemon, repo, hub, home):
    hub.faults.append(Fault("resolve", stall_after=2 * 1024 * 1024))
    job = start(daemon, repo).id
    await daemon.until(lambda all_: all_[0].done > 0)
    assert partials(home)
    assert (await daemon.downloads.cancel(job)).id == job
    assert partials(home) == []
    assert daemon.downloads.list() == ()
    with pytest.raises(NotFound, match=job):
        daemon.downloads.get(job)


async def test_what_is_complete_is_neither_paused_nor_given_up(daemon, repo):
    job = start(daemon, repo).id
    await daemon.until_over()
    with pytest.raises(Refused, match="completed already"):
        await daemon.downloads.pause(job)
    with pytest.raises(Refused, match="is complete"):
        daemon.downloads.resume(job)
    with pytest.raises(Refused, match="is complete"):
        await daemon.downloads.cancel(job)


async def test_a_hub_that_is_busy_is_asked_again_and_the_reason_shown(daemon, repo, hub):
    hub.metadata_fault = (503, b"")
    daemon.may_go_on.clear()
    start(daemon, repo)
    [view] = await daemon.until(lambda all_: all_[0].message)
    assert view.status == "downloading"
    assert "answers 503" in view.message
    hub.metadata_fault = None
    daemon.may_go_on.set()
    assert (await daemon.until_over()).status == "completed"
    assert daemon.waits


async def test_a_gated_repository_says_what_to_do_and_can_be_gone_on_with(
    daemon, repo, hub, monkeypatch
):
    repo.gated = True
    job = start(daemon, repo).id
    view = await daemon.until_over()
    assert view.status == "failed"
    assert "is gated" in view.message
    assert f"accept its licence at {hub.url}/acme/tiny-GGUF" in view.hint
    assert "HF_TOKEN" in view.hint
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    daemon.downloads.resume(job)
    assert (await daemon.until_over()).status == "completed"


async def test_a_wrong_token_fails_with_what_is_wrong(daemon, repo, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_stale")
    start(daemon, repo)
    view = await daemon.until_over()
    assert view.status == "failed"
    assert "does not know the token" in view.message


async def test_a_disk_without_room_is_said_before_anything_is_begun(store_at, home, repo):
    store = store_at(home, free=lambda _: 0)
    blobs_ = Blobs(home, free=lambda _: 0)
    shelf = Shelf(store, ModelsTree(home), blobs_, DownloadJobs(home), Downloaded(home))
    nobody = Ears(*(lambda *_: None for _ in range(4)))
    downloads = Downloading(shelf, nobody, clock=lambda: 1.0)
    with pytest.raises(NoSpace, match=f"no room for acme/tiny-GGUF: {SIZE} bytes"):
        downloads.start(asked(repo), total=SIZE, sha256s=(sha256(WEIGHTS),))
    assert downloads.list() == ()


async def test_an_mlx_folder_comes_whole_small_files_proven_too(daemon, hub, home):
    repo = hub.repo("acme/mlx-4bit")
    weights = content(5000)
    files = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": weights}
    repo.commit({**files, "README.md": b"#"})
    of = HubModel("acme/mlx-4bit", "acme", "mlx-4bit", repo.refs["main"], "model.safetensors")
    hub.faults.append(Fault("config.json", corrupt=True))
    job = daemon.downloads.start(of, total=5004, sha256s=(sha256(weights),)).id
    assert "git id is" in (await daemon.until_over()).message
    daemon.downloads.resume(job)
    assert (await daemon.until_over()).status == "completed"
    folder = home / "models/acme/mlx-4bit"
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == files
    assert daemon.counted > 0
