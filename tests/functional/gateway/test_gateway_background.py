"""Responses in the background: begun, looked at, called off from any worker, lost with theirs."""

import asyncio
import os

from lmctl.base.talk import Message
from lmctl.planning.surface import Limits
from tests.functional.gateway.conftest import GatewayUnderTest

ASK = {"model": "chat", "input": "one two", "background": True}


async def begun(server, **body):
    answer = await server.ask("POST", "/v1/responses", json_body=ASK | body)
    assert answer.status == 200
    return answer.json


async def over(server, response_id):
    """Return the response once it is not under way any more."""
    async with asyncio.timeout(20):
        while True:
            told = (await server.get(f"/v1/responses/{response_id}")).json
            if told["status"] != "in_progress":
                return told


async def test_it_is_answered_at_once_and_read_when_it_is_done(server, runner):
    runner.behave(hold=True)
    told = await begun(server)
    assert (told["status"], told["background"], told["output"]) == ("in_progress", True, [])
    await runner.asked.wait()
    assert (await server.get(f"/v1/responses/{told['id']}")).json == told
    runner.release.set()
    done = await over(server, told["id"])
    assert done["output"][0]["content"][0]["text"] == "one two"
    assert (done["id"], done["status"], done["model"]) == (told["id"], "completed", "chat")


async def test_the_conversation_goes_on_from_it(server, runner):
    first = await begun(server)
    await over(server, first["id"])
    more = {"input": "so?", "previous_response_id": first["id"]}
    await over(server, (await begun(server, **more))["id"])
    assert runner.calls[1].input.messages == (
        Message("user", "one two"),
        Message("assistant", "one two"),
        Message("user", "so?"),
    )


async def test_any_worker_can_call_it_off_and_its_slot_is_free(server, runner, box):
    runner.behave(hold=True)
    told = await begun(server)
    await runner.asked.wait()
    other = GatewayUnderTest(box)
    cancelled = await other.ask("POST", f"/v1/responses/{told['id']}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    async with asyncio.timeout(20):
        await runner.hung_up.wait()
    assert (await over(server, told["id"]))["status"] == "cancelled"
    again = await server.ask("POST", f"/v1/responses/{told['id']}/cancel")
    assert again.json == cancelled.json


async def test_its_own_worker_calls_it_off_at_once(server, runner):
    runner.behave(hold=True)
    told = await begun(server)
    await runner.asked.wait()
    await server.ask("DELETE", f"/v1/responses/{told['id']}")
    async with asyncio.timeout(20):
        await runner.hung_up.wait()
    assert (await server.get(f"/v1/responses/{told['id']}")).status == 404


async def test_what_goes_wrong_is_told_by_the_response(server, runner):
    runner.behave(fail_after=1)
    failed = await over(server, (await begun(server))["id"])
    assert failed["status"] == "failed"
    assert failed["error"] == {"code": "engine_failed", "message": "out of memory in step 3"}
    over_ = await server.ask("POST", f"/v1/responses/{failed['id']}/cancel")
    assert over_.status == 400


async def test_a_response_whose_worker_is_gone_has_failed(server, runner, box):
    runner.behave(hold=True)
    told = await begun(server)
    note = box.folder / "background" / told["id"].removeprefix("resp_")
    content = note.read_bytes()
    await server.ask("DELETE", f"/v1/responses/{told['id']}")
    note.write_bytes(content)  # as if its worker had been killed
    os.utime(note, (0, 0))
    lost = await over(server, told["id"])
    assert (lost["status"], lost["error"]["code"]) == ("failed", "server_error")


async def test_only_so_many_are_written_at_once(server, runner, box):
    box.serve(box.route(), limits=Limits(queue=1))
    runner.behave(hold=True)
    await begun(server)
    answer = await server.ask("POST", "/v1/responses", json_body=ASK)
    assert (answer.status, answer.json["error"]["code"]) == (429, "queue_full")
    runner.release.set()


async def test_an_id_that_is_no_id_leads_to_no_file(server, runner):
    for name in ("resp_..%2F..%2Fconversations", "resp_", "resp_%00"):
        assert (await server.get(f"/v1/responses/{name}")).status == 404
