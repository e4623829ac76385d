"""A request for what is not loaded: one question to the control plane, then the answer, or why not."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from lmctl.api.app import create_app
from lmctl.base.errors import NotReady, Unreachable
from lmctl.planning.surface import Loadable
from lmctl.serving.gateway import Gateway
from lmctl.serving.snapshot import Snapshots
from tests.functional.gateway.conftest import GatewayUnderTest
from tests.support.tiny_runner import tiny_runner

CHAT = Loadable("chat", "acme/tiny", "chat")


class ControlPlane:
    """Loads when it is told to: `asked` are the questions it got."""

    def __init__(self, box):
        self.box = box
        self.asked = []
        self.context_lengths = []
        self.may = asyncio.Event()
        self.trouble = None

    async def load(self, wanted, terms):
        self.asked.append((wanted, terms.ttl))
        self.context_lengths.append(terms.context_length)
        await self.may.wait()
        if self.trouble is not None:
            raise self.trouble
        self.box.serve(self.box.route(on_demand=True))


@pytest.fixture
def control(box):
    box.serve(loadable=(CHAT,), load_deadline=30.0)
    return ControlPlane(box)


@pytest.fixture
def server(box, control):
    under_test = GatewayUnderTest(box)
    under_test.gateway = Gateway(Snapshots(box.folder), under_test.gateway._ask, control.load)
    under_test.app = create_app(under_test.gateway, under_test.conversations, silence=0.02)
    return under_test


@asynccontextmanager
async def loaded(box):
    async with tiny_runner(box.socket()) as runner:
        yield runner


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nobody rings for it
            await asyncio.sleep(0)


async def test_many_requests_ask_once_and_all_are_answered(box, server, control):
    asking = [asyncio.ensure_future(server.chat(model="chat", ttl=60)) for _ in range(20)]
    await until(lambda: server.gateway.parked == 20)
    async with loaded(box):
        control.may.set()
        answers = await asyncio.gather(*asking)

    assert control.asked == [(CHAT, 60.0)]
    assert {each.status for each in answers} == {200}


@pytest.mark.parametrize("ttl", [-1, 0, "soon", None, True, {}])
async def test_a_ttl_that_is_none_counts_for_nothing(box, server, control, ttl):
    control.may.set()
    async with loaded(box):
        assert (await server.chat(model="chat", ttl=ttl)).status == 200
    assert control.asked == [(CHAT, None)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/responses", {"input": "x"}),
        ("/api/v0/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ],
)
async def test_every_dialect_that_has_a_ttl_says_how_long_it_may_stay(
    box, server, control, path, body
):
    control.may.set()
    async with loaded(box):
        answer = await server.ask("POST", path, json_body=body | {"model": "chat", "ttl": 7})
    assert answer.status == 200
    assert control.asked == [(CHAT, 7.0)]


async def test_a_response_in_the_background_loads_what_it_names_too(box, server, control):
    control.may.set()
    async with loaded(box), asyncio.timeout(20):
        body = {"input": "x", "model": "chat", "ttl": 7, "background": True}
        told = (await server.ask("POST", "/v1/responses", json_body=body)).json
        while told["status"] == "in_progress":
            told = (await server.get(f"/v1/responses/{told['id']}")).json
    assert (told["status"], control.asked) == ("completed", [(CHAT, 7.0)])


async def test_why_it_cannot_be_loaded_is_told_and_the_next_request_asks_again(server, control):
    control.may.set()
    control.trouble = NotReady("`chat` cannot be loaded: it does not fit", retry_after=5.0)
    for count in (1, 2):
        answer = await server.chat(model="chat")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "it does not fit" in answer.json["error"]["message"]
        assert len(control.asked) == count


async def test_without_a_control_plane_it_is_said(server, control):
    control.may.set()
    control.trouble = Unreachable("the control plane is down")
    answer = await server.chat(model="chat")
    assert answer.status == 503
    assert "the control plane is down" in answer.json["error"]["message"]


async def test_a_control_plane_that_goes_once_the_runner_is_there_costs_nobody_an_answer(
    box, server, control
):
    asking = asyncio.ensure_future(server.chat(model="chat"))
    await until(lambda: control.asked)
    async with loaded(box):
        box.serve(box.route(on_demand=True))
        control.trouble = Unreachable("the control plane is down")
        control.may.set()
        assert (await asking).status == 200


async def test_it_is_not_waited_for_longer_than_the_deadline(box, server, control):
    box.serve(loadable=(CHAT,), load_deadline=0.05)
    answer = await server.chat(model="chat")
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_not_ready")
    assert "not loaded in time" in answer.json["error"]["message"]


async def test_a_client_that_leaves_does_not_end_what_others_wait_for(box, server, control):
    hang_up = asyncio.Event()
    first = asyncio.ensure_future(server.chat(model="chat", hang_up=hang_up))
    await until(lambda: control.asked)
    second = asyncio.ensure_future(server.chat(model="chat"))
    await until(lambda: server.gateway.parked == 2)
    hang_up.set()
    await first
    async with loaded(box):
        control.may.set()
        assert (await second).status == 200
    assert len(control.asked) == 1


async def test_a_stream_is_kept_alive_meanwhile(box, server, control):
    heard = asyncio.Queue()
    asking = asyncio.ensure_future(server.chat(model="chat", stream=True, heard=heard))
    async with asyncio.timeout(10):
        assert await heard.get() == b": ping\n\n"
    async with loaded(box):
        control.may.set()
        answer = await asking
    assert answer.status == 200
    assert answer.data[-1] == "[DONE]"


async def test_what_was_taken_away_while_somebody_waited_is_loaded_again(box, server, control):
    box.serve(box.route(on_demand=True))
    asking = asyncio.ensure_future(server.chat(model="chat"))
    await until(lambda: server.gateway.parked == 1)
    box.serve(loadable=(CHAT,), load_deadline=30.0)
    control.may.set()
    async with loaded(box):
        assert (await asking).status == 200
    assert control.asked == [(CHAT, None)]


async def test_what_is_counted_or_embedded_is_loaded_too(box, server, control):
    control.may.set()
    said = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}
    async with loaded(box):
        counted = await server.ask("POST", "/v1/messages/count_tokens", json_body=said)
        assert (counted.status, control.asked.pop()) == (200, (CHAT, None))
        assert counted.json["input_tokens"] > 0
        box.serve(loadable=(CHAT,), load_deadline=30.0)
        texts = {"model": "chat", "input": "x", "ttl": 9}
        embedded = await server.ask("POST", "/v1/embeddings", json_body=texts)
        assert (embedded.status, control.asked) == (200, [(CHAT, 9.0)])


def told(answer):
    kinds = [each["type"] for each in answer.events]
    return [kind for n, kind in enumerate(kinds) if n == 0 or kinds[n - 1] != kind]


async def native(server, **more):
    body = {"model": "chat", "input": "one two", "stream": True} | more
    return await server.ask("POST", "/api/v1/chat", json_body=body)


async def test_the_native_chat_tells_how_far_the_load_is(box, server, control):
    asking = asyncio.ensure_future(native(server))
    await until(lambda: control.asked)
    control.may.set()
    async with loaded(box):
        answer = await asking

    start, *_, end = (each for each in answer.events if each["type"].startswith("model_load"))
    assert told(answer)[:5] == [
        "chat.start",
        "model_load.start",
        "model_load.progress",
        "model_load.end",
        "prompt_processing.start",
    ]
    assert start["model_instance_id"] == end["model_instance_id"] == "chat"
    assert end["load_time_seconds"] >= 0
    assert told(answer)[-1] == "chat.end"


async def test_a_native_chat_says_with_how_much_context(box, server, control):
    control.may.set()
    async with loaded(box):
        assert (await native(server, context_length=333)).status == 200
    assert control.context_lengths == [333]


async def test_who_comes_while_it_is_being_loaded_is_told_too(box, server):
    box.serve(box.route(on_demand=True))
    box.health(chat="waiting")
    asking = asyncio.ensure_future(native(server))
    await until(lambda: server.gateway.parked == 1)
    async with loaded(box):
        answer = await asking
    assert told(answer)[:3] == ["chat.start", "model_load.start", "model_load.progress"]


async def test_a_load_that_fails_ends_the_native_stream_with_its_reason(server, control):
    control.may.set()
    control.trouble = NotReady("`chat` cannot be loaded: it does not fit")
    answer = await native(server)

    assert answer.status == 200
    assert told(answer) == [
        "chat.start",
        "model_load.start",
        "model_load.progress",
        "error",
        "chat.end",
    ]
    assert "it does not fit" in answer.events[-2]["error"]["message"]


async def test_what_is_loaded_tells_of_no_load(box, server):
    box.serve(box.route(on_demand=True))
    box.health(chat="ready")
    async with loaded(box):
        answer = await native(server)
    assert told(answer)[:2] == ["chat.start", "prompt_processing.start"]
