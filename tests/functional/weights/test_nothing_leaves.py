"""Offline nothing leaves this machine: every way out says so at once, and what is here still serves."""

import pytest

from lmctl.adapters.outbound import leave_for
from lmctl.adapters.preset_sources import preset_files
from lmctl.adapters.runtimes.index import versions
from lmctl.adapters.weights import hub, hub_search, pip
from lmctl.adapters.weights.fetch_errors import WeightsUnavailable, failure_kind
from lmctl.adapters.weights.reachable import clock_of
from lmctl.base.errors import Refused
from lmctl.base.spec import FailureKind
from lmctl.cli.gateway_client import GatewayClient
from lmctl.planning.weights_values import FileSource, HubSource, UrlSource, Weights
from tests.support.file_server import Fault
from tests.support.weights_home import content, sha256

AWAY = "http://192.0.2.1"  # kept for documents: nothing is ever there
DATA = content(5000)


@pytest.fixture(autouse=True, params=["LMCTL_OFFLINE", "HF_HUB_OFFLINE"])
def offline(request, monkeypatch):
    monkeypatch.setenv(request.param, "1")
    monkeypatch.setenv("HF_ENDPOINT", AWAY)
    return request.param


async def asked_for(way):
    match way:
        case "search":
            await hub_search.search("tiny")
        case "repository":
            await hub.repository("acme/tiny")
        case "packages":
            await pip.locate("anything", "1.0")
        case "versions of a runtime":
            versions("anything")
        case "presets":
            preset_files(f"{AWAY}/presets.zip")
        case "clock":
            await clock_of(AWAY, seconds=1)
        case "another box":
            GatewayClient(f"{AWAY}:1234")


@pytest.mark.parametrize(
    "way",
    [
        "search",
        "repository",
        "packages",
        "versions of a runtime",
        "presets",
        "clock",
        "another box",
    ],
)
async def test_every_way_out_is_shut_and_says_by_what(way, offline):
    with pytest.raises(Refused, match=r"^offline: .+ is not asked$") as caught:
        await asked_for(way)
    assert str(caught.value.hint).startswith(f"{offline} is set")


async def test_weights_come_from_this_machine_or_not_at_all(store, tmp_path):
    own = tmp_path / "own.gguf"
    own.write_bytes(DATA)
    away = (HubSource("acme", "tiny"), UrlSource(f"{AWAY}/m.gguf", "m.gguf", sha256(DATA)))

    stored = await store.fetch(Weights("acme/m", (*away, FileSource(str(own)))))

    assert stored.source == f"file {own}"
    told = [each.partition("offline: ")[2] for each in stored.attempts]
    assert told == ["192.0.2.1 is not asked"] * 2
    elsewhere = UrlSource(f"{AWAY}/n.gguf", "n.gguf", sha256(b"n"))
    with pytest.raises(WeightsUnavailable, match=r"offline: 192\.0\.2\.1 is not asked") as caught:
        await store.fetch(Weights("acme/n", (elsewhere,)))
    assert failure_kind(caught.value) is FailureKind.CONFIG


async def test_a_server_of_this_machine_is_no_way_out_unless_it_leads_to_one(store, files):
    files.files["/m.gguf"] = DATA
    here = UrlSource(f"{files.url}/m.gguf", "m.gguf", sha256(DATA))
    await store.fetch(Weights("acme/m", (here,)))

    files.files["/led"] = b"x"
    files.faults.append(Fault("/led", status=302, headers={"Location": f"{AWAY}/m.gguf"}))
    led = UrlSource(f"{files.url}/led", "m.gguf", sha256(b"x"))
    with pytest.raises(WeightsUnavailable, match=r"offline: 192\.0\.2\.1"):
        await store.fetch(Weights("acme/n", (led,)))


def test_an_open_door_asks_nothing(monkeypatch):
    for each in ("LMCTL_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(each, "0")
    leave_for(AWAY)
