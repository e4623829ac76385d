"""Models of the hub on a real box: found, weighed, downloaded, gone on with after a kill -9."""

import re
from contextlib import closing

import httpx2
import pytest

from lmctl.base.errors import NotFound, Refused
from lmctl.cli.download_client import DownloadClient
from tests.support import tiny_llama
from tests.support.file_server import Fault
from tests.support.localhub import LocalHub
from tests.support.weights_home import content, sha256

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
USUAL, LARGE = content(3 * MIB), content(5 * MIB, seed=2)


@pytest.fixture
def hub(box):
    with LocalHub.running() as server:
        repo = server.repo("acme/tiny-GGUF")
        repo.commit({"tiny-Q4_K_M.gguf": USUAL, "tiny-Q8_0.gguf": LARGE})
        repo.downloads = 70
        server.repo("acme/other").commit({"other-Q2_K.gguf": content(2000)})
        box.env |= {"HF_ENDPOINT": server.url, "HF_TOKEN": "", "HF_HOME": str(box.root / "hf")}
        yield server


@pytest.fixture
def client(box, hub):
    box.apply()
    with closing(DownloadClient(box.home)) as made:
        yield made


def test_a_model_is_found_weighed_downloaded_and_known(box, client, hub):
    [found] = client.search("tiny")
    assert (found.repo, found.downloads, found.quantizations) == (
        "acme/tiny-GGUF", 70, ("Q4_K_M", "Q8_0"),
    )  # fmt: skip
    offered = client.choices("acme/tiny-GGUF")
    assert [(each.quantization, each.size, each.recommended) for each in offered.choices] == [
        ("Q4_K_M", 3 * MIB, True), ("Q8_0", 5 * MIB, False),
    ]  # fmt: skip
    with pytest.raises(NotFound, match="has no Q6_K"):
        client.download("acme/tiny-GGUF", "Q6_K")
    with pytest.raises(Refused, match="names no repository"):
        client.download("tiny")

    job = client.download("acme/tiny-GGUF")
    views = list(client.follow_download(job.id))
    assert (views[-1].status, views[-1].done) == ("completed", 3 * MIB)
    assert client.download("acme/tiny-GGUF").status == "already_downloaded"
    hub.repo("Qwen/Qwen3-0.6B-GGUF").commit({"Qwen3-0.6B-Q8_0.gguf": LARGE})
    assert client.download("qwen3-0.6b").model == "qwen/qwen3-0.6b"  # a name of the catalogue
    second = client.download("https://huggingface.co/acme/tiny-GGUF", "q8_0")
    assert list(client.follow_download(second.id))[-1].model == "acme/tiny-GGUF@Q8_0"
    for each in client.downloads():
        list(client.follow_download(each.id))
    assert {each.status for each in client.downloads()} == {"completed"}
    assert box.lmctl("gc", "--grace", "0s", "--json").json["removed"] == []
    listed = box.lmctl("ls", "-o", "json").json
    assert [each["modelKey"] for each in listed] == [
        "acme/tiny-GGUF", "acme/tiny-GGUF@Q8_0", "qwen/qwen3-0.6b",
    ]  # fmt: skip


def test_downloads_are_shown_stopped_and_removed_by_command(box, client, hub):
    found = box.lmctl("search", "tiny")
    assert "acme/tiny-GGUF  70" in found.out
    assert box.lmctl("search", "nothing-like-this").code == 1
    offered = box.lmctl("search", "acme/tiny-GGUF", "--choices").out
    assert re.search(r"\* +Q4_K_M +3.0 MiB +fits", offered), offered

    hub.faults.append(Fault("resolve", stall_after=MIB))
    job = client.download("acme/tiny-GGUF@Q8_0").id
    next(each for each in client.follow_download(job) if each.done)
    paused = box.lmctl("downloads", "pause", "acme/tiny-GGUF")
    assert (paused.code, "paused" in paused.err) == (0, True), paused.err
    assert box.lmctl("gc", "--grace", "0s", "--json").json["removed"] == []
    [listed] = box.lmctl("downloads", "ls", "--json").json
    assert (listed["id"], listed["status"]) == (job, "paused")
    assert box.lmctl("downloads", "resume", job).code == 0
    followed = box.lmctl("downloads", "follow", job, "--json")
    assert (followed.code, followed.json["status"]) == (0, "completed")
    assert "completed" in box.lmctl("downloads", "ls").out
    assert (
        box.lmctl("downloads", "cancel", job)
        .err.strip()
        .endswith("hint: `lmctl rm acme/tiny-GGUF` removes the model")
    )

    assert box.lmctl("rm", "acme/tiny").err.strip().endswith("did you mean `acme/tiny-GGUF`?")
    again = box.lmctl("downloads", "start", "acme/tiny-GGUF@Q8_0")
    assert (again.code, again.out) == (0, "acme/tiny-GGUF: here already\n")
    assert box.lmctl("downloads", "start", "acme/tiny-GGUF@Q3_K_M").err.endswith(
        "hint: it has Q4_K_M, Q8_0\n"
    )
    gone = box.lmctl("rm", "acme/tiny-GGUF", "--json")
    assert gone.json == {"model": "acme/tiny-GGUF", "freed": 5 * MIB, "kept": 0}
    assert not list((box.home.root / "blobs/sha256").glob("*/*"))
    assert not list((box.home.root / "models").glob("*/*/*"))
    assert client.downloads() == ()
    fetched = box.lmctl("downloads", "start", "acme/tiny-GGUF", "--json")
    assert (fetched.code, fetched.json["status"]) == (0, "completed")
    assert "tiny-Q4_K_M.gguf, 3.0 MiB of acme/tiny-GGUF, known as acme/tiny-GGUF" in fetched.err
    hub.repos["acme/other"].gated = True
    gated = box.lmctl("downloads", "start", "acme/other")
    assert gated.code == 1
    assert f"hint: accept its licence at {hub.url}/acme/other" in gated.err


def test_what_is_declared_put_there_or_in_use_is_not_removed(box, client):
    box.echo("chat")
    own = box.home.root / "models/me/own/own-Q4_0.gguf"
    own.parent.mkdir(parents=True)
    own.write_bytes(USUAL)
    box.apply()
    assert "is declared at" in box.lmctl("rm", "acme/chat").err
    assert f"remove {own} yourself" in box.lmctl("rm", "me/own").err
    assert own.exists()

    list(client.follow_download(client.download("acme/tiny-GGUF").id))
    box.echo(
        "loads"
    )  # an instance made of it, which cannot be loaded and is asked for all the same
    box.instance("uses", "acme/tiny-GGUF", runtime="echo")
    box.client.follow([str(box.fleet)])
    refused = box.lmctl("rm", "acme/tiny-GGUF")
    assert refused.code == 2
    assert "instance/uses is made of acme/tiny-GGUF" in refused.err


def test_offline_a_box_asks_no_hub_and_says_so(box):
    box.write(
        "models/far/model.yaml",
        """\
        model: acme/far
        base:
          - key: acme/far-gguf
            sources: [{type: huggingface, user: acme, repo: far}]
        """,
    )
    box.instance("far", "acme/far")
    waited = box.lmctl("--offline", "apply", "--yes", "--wait", str(box.fleet))
    assert waited.code == 1
    assert "offline: huggingface.co is not asked" in waited.err
    with closing(DownloadClient(box.home)) as client:
        with pytest.raises(Refused, match=r"offline: huggingface\.co is not asked"):
            client.download("acme/far")
        with pytest.raises(Refused, match="offline"):
            client.search("far")
    assert box.lmctl("--offline", "search", "far").code == 2


def test_search_download_load_chat_and_remove_without_a_file(box, client, hub, tmp_path):
    weights = tiny_llama.write(tmp_path / "llama-F32.gguf")
    hub.repo("acme/llama").commit({weights.name: weights.read_bytes()})
    with httpx2.Client(base_url=box.url, timeout=90) as http:
        job = http.post("/api/v1/models/download", json={"model": "acme/llama"}).json()["job_id"]
        list(client.follow_download(job))
        client.reconcile()  # the next turn knows the model
        body = {"model": "acme/llama", "echo_load_config": True}
        loaded = http.post("/api/v1/models/load", json=body).json()
        assert (loaded["status"], loaded["instance_id"]) == ("loaded", "acme/llama")
        ask = {"model": "acme/llama", "messages": [{"role": "user", "content": "hi"}]}
        answer = http.post("/v1/chat/completions", json={**ask, "max_tokens": 3}).json()
        assert answer["usage"]["completion_tokens"] == 3
        refused = box.lmctl("rm", "acme/llama")
        assert "is made of acme/llama" in refused.err
        assert "lmctl unload" in refused.err
        http.post("/api/v1/models/unload", json={"instance_id": "acme/llama"})
        assert box.lmctl("rm", "acme/llama").code == 0


def test_the_native_api_downloads_by_link_and_tells_how_far_it_is(box, client):
    path = "/api/v1/models/download"
    with httpx2.Client(base_url=box.url, timeout=60) as http:
        wrong = http.post(path, json={"model": "acme/tiny-GGUF", "quantization": "Q8_0"})
        told = wrong.json()["error"]
        assert (wrong.status_code, told["code"], told["param"]) == (
            400, "invalid_value", "quantization",
        )  # fmt: skip
        assert http.post(path, json={"model": "https://hf.co/no/body"}).status_code == 404
        unknown = http.get(f"{path}/status/job_0123456789")
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "job_not_found")

        link = {"model": "https://huggingface.co/acme/tiny-GGUF", "quantization": "Q8_0"}
        begun = http.post(path, json=link).json()
        assert (begun["status"], begun["total_size_bytes"]) == ("downloading", 5 * MIB)
        assert re.fullmatch(r"job_[0-9a-f]{10}", begun["job_id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", begun["started_at"])
        list(client.follow_download(begun["job_id"]))
        status = http.get(f"{path}/status/{begun['job_id']}").json()
        assert (status["status"], status["downloaded_bytes"]) == ("completed", 5 * MIB)
        assert status["completed_at"] >= status["started_at"]
        assert http.post(path, json=link).json() == {"status": "already_downloaded"}
        assert [each["key"] for each in http.get("/api/v1/models").json()["models"]] == [
            "acme/tiny-GGUF"
        ]


def test_a_download_outlives_its_daemon(box, client, hub):
    hub.faults.append(Fault("resolve", stall_after=2 * MIB))
    job = client.download("acme/tiny-GGUF@Q8_0").id
    next(each for each in client.follow_download(job) if each.done)
    box.kill(box.daemon_pid())
    box.apply()
    assert list(client.follow_download(job))[-1].status == "completed"
    assert hub.sent("resolve") < 5 * MIB + 2 * MIB
    assert (box.home.root / "blobs/sha256" / sha256(LARGE)[:2] / sha256(LARGE)).exists()
