"""The gateway as a process: where it listens, how it ends, what a lost client frees."""

import asyncio
import json
import os
import signal
import sys

import psutil
import pytest

from lmctl.adapters.processes import identity_of
from tests.contract.conftest import _ROOT, running_gateway

HELLO = [{"role": "user", "content": "one two three"}]
BODY = json.dumps({"model": "chat", "stream": True, "messages": HELLO}).encode()


async def send(address, body=BODY):
    """Open a connection and send a chat request on it, by hand."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()
    return reader, writer


async def test_the_report_tells_where_it_really_listens_and_who_it_is(gateway):
    note = gateway.note

    assert list(note) == ["pid", "started_at", "binds", "workers", "shares", "spec_digest"]
    assert note["pid"] == gateway.process.pid
    assert note["started_at"] == identity_of(gateway.process.pid).started_at
    assert note["binds"][0].startswith("127.0.0.1:")
    assert not note["binds"][0].endswith(":0")
    assert (note["workers"], note["spec_digest"]) == (1, "d42")


async def test_it_takes_its_report_back_and_leaves_nothing_else_in_the_folder(box, runner):
    before = sorted(box.folder.iterdir())
    async with running_gateway(box) as gateway:
        assert await gateway.end() == 0

    assert sorted(box.folder.iterdir()) == before


async def test_it_listens_on_a_unix_socket_too(box, runner):
    path = box.folder / "http.sock"
    async with running_gateway(box, "--bind", f"unix:{path}") as gateway:
        binds = gateway.note["binds"]
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        status = await reader.readline()
        writer.close()

    assert binds[1] == f"unix:{path}"
    assert status == b"HTTP/1.1 200 OK\r\n"


async def test_a_percent_encoded_model_id_is_the_same_as_a_raw_one(gateway):
    host, _, port = gateway.address.rpartition(":")
    ids = []
    for path in (b"acme%2Fbig", b"acme/big"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/models/%b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path)
        answer = await reader.read()
        ids.append(json.loads(answer.partition(b"\r\n\r\n")[2])["id"])
        writer.close()

    assert ids == ["acme/big", "acme/big"]


async def test_a_websocket_is_refused(gateway):
    host, _, port = gateway.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET /lmctl/v1/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()

    assert status.startswith(b"HTTP/1.1 403")


async def test_it_works_with_standard_input_closed(box, runner):
    async with (
        running_gateway(box, preexec_fn=lambda: os.close(0)) as gateway,
        gateway.client() as client,
    ):
        answer = await client.chat.completions.create(model="chat", messages=HELLO)

    assert answer.choices[0].message.content == "one two three"


@pytest.mark.parametrize(
    "script", [{"hold": True}, {"hold_after": 1}], ids=["during silence", "while streaming"]
)
async def test_a_client_that_hangs_up_frees_the_runner_at_once(gateway, runner, script):
    runner.behave(**script)
    _, writer = await send(gateway.address)
    async with asyncio.timeout(10):
        await (runner.asked if "hold" in script else runner.said).wait()

        writer.close()

        await runner.hung_up.wait()
    (line,) = await gateway.logged("request")
    assert line["hung_up"] is True


async def test_a_term_signal_lets_a_running_stream_finish(box, runner):
    runner.behave(hold_after=1)
    async with running_gateway(box) as gateway:
        reader, writer = await send(gateway.address)
        async with asyncio.timeout(30):
            await runner.said.wait()
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.logged("Worker shutting down")
            runner.release.set()
            answer = await reader.readuntil(b"data: [DONE]")
        writer.close()

        assert b'"content":"three"' in answer
        assert await gateway.end() == 0


async def test_connections_without_a_request_do_not_hold_its_end(box, runner):
    async with running_gateway(box, "--grace", "600") as gateway:
        host, _, port = gateway.address.rpartition(":")
        silent, quiet = await asyncio.open_connection(host, int(port))
        async with gateway.client() as kept:
            await kept.models.list()  # its connection is kept for the next request
            assert await gateway.end() == 0
        assert await silent.read() == b""
        quiet.close()


async def test_a_second_one_finds_the_port_taken_unless_it_is_started_beside(box, runner):
    async with running_gateway(box) as gateway:
        alone = await started_at(box, gateway.address)
        async with asyncio.timeout(60):
            assert await alone.wait() == 1
        assert gateway.note["pid"] == gateway.process.pid

        heir = await started_at(box, gateway.address, "--beside")
        async with asyncio.timeout(60):
            while gateway.note["pid"] != heir.pid:  # noqa: ASYNC110 - a file tells
                await asyncio.sleep(0.02)
        answers = asyncio.ensure_future(asked_on(gateway.address, times=60))
        assert await gateway.end() == 0
        assert await answers == [b"HTTP/1.1 200 OK\r\n"] * 60
        os.killpg(heir.pid, signal.SIGKILL)
        await heir.wait()


async def test_told_to_end_while_its_worker_starts_it_ends_at_once(box, runner):
    gateway = await started_at(box, "127.0.0.1:0", "--grace", "600")
    master = psutil.Process(gateway.pid)
    async with asyncio.timeout(60):
        while not master.children():  # noqa: ASYNC110 - the system knows
            await asyncio.sleep(0)
        gateway.send_signal(signal.SIGTERM)
        assert await gateway.wait() == 0


async def started_at(box, bind, *arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lmctl.api.main", "--bind", bind, *arguments,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {"LMCTL_RUN": str(box.folder), "PYTHONPATH": _ROOT},
    )  # fmt: skip


async def asked_on(address, *, times):
    """Ask on a connection of its own each time; return the status lines."""
    host, _, port = address.rpartition(":")
    lines = []
    for _ in range(times):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        lines.append(await reader.readline())
        writer.close()
        await asyncio.sleep(0.02)
    return lines


async def test_signals_add_and_take_workers_and_the_report_says_how_many(gateway):
    for signals, count in ((signal.SIGTTIN, 2), (signal.SIGTTOU, 1)):
        gateway.process.send_signal(signals)
        async with asyncio.timeout(60):
            while gateway.note["workers"] != count:  # noqa: ASYNC110 - a file tells
                await asyncio.sleep(0.02)


async def test_a_hang_up_signal_changes_workers_under_a_running_stream(gateway, runner):
    runner.behave(hold_after=1)
    reader, writer = await send(gateway.address)
    async with asyncio.timeout(30):
        await runner.said.wait()
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.logged("ASGI server listening", times=2)
        runner.release.set()
        answer = await reader.readuntil(b"data: [DONE]")
    writer.close()

    assert b'"content":"three"' in answer
    async with gateway.client() as client:
        again = await client.chat.completions.create(model="chat", messages=HELLO)
    assert again.choices[0].message.content == "one two three"


async def test_two_workers_serve_and_one_killed_does_not_take_the_gateway_down(box, runner):
    async with running_gateway(box, workers=2) as gateway:
        first, second = psutil.Process(gateway.process.pid).children()
        first.kill()
        async with gateway.client() as client:
            answer = await client.chat.completions.create(model="chat", messages=HELLO)
        await gateway.logged("ASGI server listening", times=3)
        children = {each.pid for each in psutil.Process(gateway.process.pid).children()}

    assert second.pid in children
    assert first.pid not in children
    assert answer.usage.total_tokens == 10


async def test_a_missing_run_folder_is_told_before_anything_starts(box):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lmctl.api.main", "--bind", "127.0.0.1:0",
        stderr=asyncio.subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if k != "LMCTL_RUN"} | {"PYTHONPATH": _ROOT},
    )  # fmt: skip
    _, told = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 2
    assert b"LMCTL_RUN must name the run folder" in told
