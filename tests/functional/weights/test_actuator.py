"""Steps about weights end in the right way."""

import pytest

from lmctl.actuators.weights import WeightsActuator
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.base.spec import FailureKind
from lmctl.planning.outcome import Done, Failed, Stalled
from lmctl.planning.plan import FetchWeights, LinkWeights, VerifyWeights
from lmctl.planning.weights_values import FileSource, UrlSource, Weights
from tests.support.file_server import Fault, refusing_port
from tests.support.weights_home import content, sha256

DATA = content(2_000_000)


@pytest.fixture
def actuator(store, home):
    return WeightsActuator(store, ModelsTree(home))


@pytest.fixture
def weights(files):
    files.files["/m.gguf"] = DATA
    return Weights("acme/m", (UrlSource(f"{files.url}/m.gguf", "m.gguf", sha256(DATA)),))


def unheard(_progress):
    """Nobody watches."""


async def test_a_fetch_reports_bytes_and_ends_done_and_linked(actuator, store, weights):
    told = []

    outcome = await actuator.fetch(FetchWeights(weights), told.append)

    assert outcome == Done(f"fetched 1.9 MiB from {weights.sources[0]}")
    assert (told[-1].done, told[-1].total) == (len(DATA), len(DATA))
    assert told[-1].text.startswith("fetching 1.9 MiB of 1.9 MiB")
    assert store.look(weights).linked


async def test_an_unreachable_source_may_be_tried_again(actuator):
    source = UrlSource(f"http://127.0.0.1:{refusing_port()}/m", "m.gguf", "0" * 64)

    outcome = await actuator.fetch(FetchWeights(Weights("a/b", (source,))), unheard)

    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.TRANSIENT
    assert "connection refused" in outcome.reason


async def test_a_missing_file_stalls_with_a_hint(actuator):
    outcome = await actuator.fetch(
        FetchWeights(Weights("a/b", (FileSource("/nowhere/m.gguf"),))), unheard
    )

    assert isinstance(outcome, Stalled)
    assert "correct `path`" in outcome.reason


async def test_wrong_bytes_fail_as_integrity(actuator, files, weights):
    files.faults.append(Fault(corrupt=True, times=-1))

    outcome = await actuator.fetch(FetchWeights(weights), unheard)

    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.INTEGRITY


async def test_a_server_that_asks_to_wait_is_heard(actuator, files, weights):
    files.faults.append(Fault(status=429, headers={"Retry-After": "120"}))

    outcome = await actuator.fetch(FetchWeights(weights), unheard)

    assert isinstance(outcome, Failed)
    assert outcome.retry_after == 120


async def test_a_taken_place_is_noted_by_the_fetch_and_stalls_the_link(actuator, home, weights):
    place = home / "models/acme/m/m.gguf"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"theirs")

    fetched = await actuator.fetch(FetchWeights(weights), unheard)
    linked = await actuator.link(LinkWeights(weights), unheard)

    assert isinstance(fetched, Done)
    assert "not linked" in fetched.note
    assert isinstance(linked, Stalled)
    assert place.read_bytes() == b"theirs"


async def test_verify_and_link_end_done_on_whole_weights(actuator, weights):
    await actuator.fetch(FetchWeights(weights), unheard)

    assert await actuator.verify(VerifyWeights(weights), unheard) == Done("verified 1.9 MiB")
    assert await actuator.link(LinkWeights(weights), unheard) == Done("0 link(s) made")


async def test_verify_of_a_lost_blob_fails_as_integrity(actuator, store, weights):
    await actuator.fetch(FetchWeights(weights), unheard)
    store.files_of(weights.key)[0][1].unlink()

    outcome = await actuator.verify(VerifyWeights(weights), unheard)

    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.INTEGRITY
