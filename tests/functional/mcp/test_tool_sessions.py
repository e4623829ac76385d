"""Connections to real tool servers, and everything such a server may do to whoever is connected."""

import asyncio
import sys

import psutil
import pytest

from lmctl.adapters.mcp.session import ToolSession
from lmctl.adapters.mcp.targets import LocalTarget, RemoteTarget
from lmctl.base.errors import LmctlError, Unreachable
from tests.functional.mcp.conftest import PATIENCE, listening, text, tiny


def program(code: str) -> LocalTarget:
    return LocalTarget(sys.executable, ("-c", code))


@pytest.fixture(scope="module")
def remote():
    """The tiny server over HTTP, for tests that leave it as it is."""
    with listening("http") as (_, port):
        yield RemoteTarget(f"http://127.0.0.1:{port}/mcp", {"x-who": "lmctl"})


async def test_a_session_may_be_opened_used_and_closed_by_different_tasks(connect):
    session = await asyncio.create_task(connect(tiny()))
    answer = await asyncio.create_task(session.call("add", {"a": 1, "b": 2}, seconds=PATIENCE))
    await asyncio.create_task(session.close())
    assert text(answer) == "3"
    assert session.protocol == "2026-07-28"
    assert "add" in [each.name for each in session.tools]


async def test_what_a_tool_returns_and_refuses_comes_as_parts(connect, remote):
    session = await connect(remote)
    parts = await session.call("picture", {}, seconds=PATIENCE)
    assert [each["type"] for each in parts.content] == [
        "text",
        "image",
        "resource",
        "resource_link",
    ]
    assert parts.content[1]["mimeType"] == "image/png"
    failed = await session.call("fail", {}, seconds=PATIENCE)
    unknown = await session.call("nope", {}, seconds=PATIENCE)
    assert failed.failed
    assert (unknown.failed, text(unknown)) == (True, "Unknown tool: nope")


async def test_what_a_server_asks_back_is_declined_and_told(connect, remote):
    told = []
    session = await connect(remote, tell=told.append)
    asked = await session.call("favourite", {}, seconds=PATIENCE)
    sampled = await session.call("poem", {}, seconds=PATIENCE)
    assert text(asked) == "a person said decline"
    assert sampled.failed
    assert "no sampling" in text(sampled)
    assert [each.partition(";")[2].strip().split(",")[0] for each in told] == ["declined"] * 2


async def test_a_tool_that_never_answers_is_left_in_time_and_the_next_call_works(connect, remote):
    session = await connect(remote)
    late = await session.call("sleep", {}, seconds=0.2)
    assert (late.failed, text(late)) == (True, "`sleep` did not answer within 0.2 s")
    assert text(await session.call("add", {"a": 2, "b": 2}, seconds=PATIENCE)) == "4"


async def test_a_server_that_dies_in_a_call_ends_it_at_once(connect):
    session = await connect(tiny())
    with pytest.raises(Unreachable, match="the server ended the connection"):
        await session.call("die", {}, seconds=PATIENCE)
    assert session.gone.is_set()
    with pytest.raises(Unreachable):
        await session.call("add", {"a": 1, "b": 1}, seconds=PATIENCE)


async def test_a_server_that_dies_while_nobody_asks_is_noticed(connect):
    session = await connect(tiny())
    assert text(await session.call("die_soon", {}, seconds=PATIENCE)) == "farewell"
    async with asyncio.timeout(PATIENCE):
        await session.gone.wait()
    assert session.why == "the server ended the connection"


async def test_a_mute_server_is_given_up():
    session = ToolSession(program("import time; time.sleep(600)"), patience=0.5)
    with pytest.raises(Unreachable, match=r"said nothing within 0\.5 s"):
        await session.open()
    await session.close()


async def test_a_program_that_is_not_there_or_ends_is_told():
    for target, why in (
        (LocalTarget("/no/such/program"), "there is no program `/no/such/program`"),
        (program("raise SystemExit(2)"), "the server ended the connection"),
    ):
        session = ToolSession(target, patience=PATIENCE)
        with pytest.raises(Unreachable, match=why):
            await session.open()
        await session.close()


async def test_a_server_that_will_not_end_is_ended(connect, tmp_path):
    deaf = (
        "import os, runpy, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); sys.argv = ['x'];"
        f"runpy.run_path({tiny().args[0]!r}, run_name='__main__'); time.sleep(600)"
    )
    session = await connect(program(deaf))
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    async with asyncio.timeout(PATIENCE):
        await session.close()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_noise_on_standard_output_is_told_and_not_fatal(connect):
    noisy = (
        "import runpy, sys; print('welcome', flush=True); sys.argv = ['x'];"
        f"runpy.run_path({tiny().args[0]!r}, run_name='__main__')"
    )
    told = []
    session = await connect(program(noisy), tell=told.append)
    assert text(await session.call("add", {"a": 1, "b": 1}, seconds=PATIENCE)) == "2"
    assert told == ["it wrote something to standard output that is no message"]


async def test_a_program_gets_its_own_variables_and_no_secret_of_ours(connect, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_hidden")
    session = await connect(tiny(WHO="me"))
    assert text(await session.call("who", {}, seconds=PATIENCE)) == "None me None"


async def test_changed_tools_are_listed_anew(connect):
    changed = asyncio.Event()
    session = await connect(tiny(), period=600.0, changed=changed.set)
    before = len(session.tools)
    await session.call("grow", {}, seconds=PATIENCE)
    async with asyncio.timeout(PATIENCE):
        await changed.wait()
    assert len(session.tools) == before + 1


async def test_headers_reach_a_remote_server_that_may_die_and_come_back(connect):
    with listening("http") as (process, port):
        target = RemoteTarget(f"http://127.0.0.1:{port}/mcp", {"x-who": "lmctl"})
        session = await connect(target)
        assert text(await session.call("who", {}, seconds=PATIENCE)) == "lmctl None None"
        process.kill()
        process.wait()
        with pytest.raises(Unreachable):
            await session.call("add", {"a": 1, "b": 1}, seconds=PATIENCE)
    await session.close()
    with listening("http", port):
        again = await connect(target)
        assert text(await again.call("add", {"a": 1, "b": 1}, seconds=PATIENCE)) == "2"


async def test_a_server_that_knows_only_sse_is_spoken_to_so(connect):
    with listening("sse") as (_, port):
        session = await connect(RemoteTarget(f"http://127.0.0.1:{port}/sse"))
        assert text(await session.call("add", {"a": 1, "b": 1}, seconds=PATIENCE)) == "2"


async def test_nobody_there_is_told():
    session = ToolSession(RemoteTarget("http://127.0.0.1:9/mcp"), patience=PATIENCE)
    with pytest.raises(Unreachable, match="no connection"):
        await session.open()
    await session.close()


async def test_offline_no_server_elsewhere_is_asked(connect, remote, monkeypatch):
    monkeypatch.setenv("LMCTL_OFFLINE", "1")
    session = await connect(remote)
    assert session.tools, "one of this machine is"
    with pytest.raises(LmctlError, match=r"offline: 192\.0\.2\.1 is not asked"):
        await connect(RemoteTarget("http://192.0.2.1/mcp"))
