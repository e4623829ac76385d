"""Which runner answers, and what happens while none can."""

import asyncio

import pytest

from lmctl.planning.surface import Limits
from lmctl.runner.wire import Trouble
from tests.support.tiny_runner import tiny_runner

DRAINING = Trouble("draining", "chat is draining")


async def test_one_instance_answers_to_any_name_and_says_its_own(server, runner):
    for asked in ({"model": "gpt-9"}, {"model": "CHAT"}, {}):
        answer = await server.chat(**asked)
        assert answer.json["model"] == "chat"


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        pytest.param("embed", "embed", id="route name"),
        pytest.param("ACME/Big", "embed", id="model key in any case"),
        pytest.param("alias", "chat", id="an alias names its instance"),
    ],
)
async def test_a_name_is_resolved(box, server, asked, answers):
    big = box.route("embed", model="acme/big")
    box.serve(box.route("chat"), box.route("alias", instance="chat"), big)
    async with tiny_runner(box.socket("chat")), tiny_runner(box.socket("embed")):
        answer = await server.chat(model=asked)

    assert answer.json["model"] == answers


@pytest.mark.parametrize("asked", ["nope", "Chat"])
async def test_an_unknown_name_among_several_is_a_400_that_lists_them(box, server, asked):
    box.serve(box.route("chat"), box.route("other", model="acme/big"))

    answer = await server.chat(model=asked, stream=True)

    assert answer.status == 400
    assert answer.json == {
        "error": {
            "message": f"no model named `{asked}`. Hint: known: chat, other",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


async def test_nothing_served_is_a_400_without_a_code(box, server):
    box.serve()

    answer = await server.chat(model="chat")

    assert answer.status == 400
    assert answer.json["error"]["code"] is None
    assert answer.json["error"]["param"] == "model"


async def test_a_parked_request_is_answered_when_the_socket_appears(box, server):
    box.serve(box.route())
    asking = asyncio.create_task(server.chat())
    await until(lambda: server.gateway.parked == 1)

    async with tiny_runner(box.socket()):
        answer = await asking

    assert answer.status == 200
    assert server.gateway.parked == 0


async def test_a_draining_runner_is_left_for_the_one_the_new_surface_names(box, server, runner):
    runner.behave(refuse=DRAINING)
    asking = asyncio.create_task(server.chat(stream=True))
    await until(lambda: server.gateway.parked == 1)

    async with tiny_runner(box.socket("fresh"), text="from the new one") as fresh:
        box.serve(box.route("chat", instance="fresh"))
        answer = await asking

    assert answer.data[-1] == "[DONE]"
    assert len(fresh.calls) == 1


async def test_a_runner_that_becomes_ready_is_found_without_any_file_changing(server, runner):
    runner.behave(refuse=Trouble("not_ready", "loading"))
    asking = asyncio.create_task(server.chat())
    await until(lambda: len(runner.calls) == 2)  # the second refusal is what parks it for good
    runner.behave()

    assert (await asking).status == 200


async def test_the_queue_deadline_is_a_503_that_says_when_to_come_back(box, server, runner):
    box.serve(box.route(), limits=Limits(queue_deadline=0.05))
    runner.behave(refuse=Trouble("not_ready", "chat is loading (40 %)", retry_after=4))

    answer = await server.chat(stream=True)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "4"
    assert answer.json["error"]["code"] == "model_not_ready"
    assert "chat is loading (40 %)" in answer.json["error"]["message"]


async def test_no_more_than_the_limit_are_parked(box, server):
    box.serve(box.route(), limits=Limits(queue=1))
    leave = asyncio.Event()
    first = asyncio.create_task(server.chat(hang_up=leave))
    await until(lambda: server.gateway.parked == 1)

    second = await server.chat()
    leave.set()
    await first

    assert second.status == 429
    assert server.gateway.parked == 0


@pytest.mark.parametrize("phase", ["failed", "stalled"])
async def test_an_instance_that_failed_is_a_503_at_once_with_the_reason(box, server, phase):
    box.serve(box.route())
    box.health(chat=(phase, "the weights are for another engine"))

    answer = await server.chat(stream=True)

    assert answer.status == 503
    assert "the weights are for another engine" in answer.json["error"]["message"]


async def test_a_stalled_change_does_not_stop_the_runner_that_still_serves(box, server, runner):
    box.health(chat=("stalled", "the new version does not load; the old one is kept"))

    assert (await server.chat()).status == 200


async def test_a_parked_request_fails_at_once_when_its_instance_does(box, server):
    box.serve(box.route())
    asking = asyncio.create_task(server.chat())
    await until(lambda: server.gateway.parked == 1)

    box.health(chat=("failed", "out of memory"))

    assert "out of memory" in (await asking).json["error"]["message"]


async def test_a_broken_or_missing_surface_keeps_the_last_good_one(box, server, runner):
    assert (await server.chat()).status == 200
    (box.folder / "surface.json").write_bytes(b'{"routes": 5')
    assert (await server.chat()).status == 200
    (box.folder / "surface.json").unlink()
    (box.folder / "surface.json").mkdir()
    assert (await server.chat()).status == 200
    (box.folder / "surface.json").rmdir()
    assert (await server.chat()).status == 200

    box.serve(box.route(), box.route("second"))
    listed = (await server.get("/v1/models")).json["data"]
    assert [each["id"] for each in listed] == ["chat", "second"]


async def until(true):
    """Give the other tasks their turns until something is true."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
