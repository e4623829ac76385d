import asyncio
import json
import signal
import stat
from contextlib import aclosing
from pathlib import Path

import msgspec
import psutil
import pytest

from lmctl.adapters import runner_client
from lmctl.base.errors import Busy, Draining, EngineFailed, NotReady
from lmctl.base.spec import FailureKind, LoadSettings, Phase
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import PATIENCE, answer, chat, start, weight_file

NEVER = Script(reply="a b c", token_seconds=600)
SLOW = Script(reply="a b c d e f g h", token_seconds=0.1)


def begin(box, text="?"):
    """Ask in the background; cancelling the task hangs up."""
    return asyncio.create_task(answer(box, chat(text)))


async def hang_up(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_hanging_up_frees_the_slot_even_in_the_middle_of_a_step(echo):
    box = await echo(NEVER).ready()
    asking = begin(box)
    await box.until(lambda status: status.running == 1)

    await hang_up(asking)

    status = await box.until(lambda status: status.running == 0)
    assert (status.queued, status.requests) == (0, 1)


async def test_closing_the_generator_hangs_up(echo):
    box = await echo(SLOW).ready()
    async with aclosing(runner_client.ask(box.socket, chat("?"))) as events:
        await anext(events)

    assert (await box.until(lambda status: status.running == 0)).tokens < 8


async def test_the_queue_is_first_come_first_served_and_says_busy_when_full(echo):
    box = await echo(NEVER, parallel=1, queue=1).ready()
    first = begin(box)
    await box.until(lambda status: status.running == 1)
    second = begin(box)
    await box.until(lambda status: status.queued == 1)

    with pytest.raises(Busy, match="1 running and 1 waiting"):
        await answer(box, chat("?"))

    await hang_up(first)
    await box.until(lambda status: (status.running, status.queued) == (1, 0))
    assert not second.done()
    await hang_up(second)
    await box.until(lambda status: status.running == 0)


async def test_hanging_up_in_the_queue_gives_the_place_back(echo):
    box = await echo(NEVER, parallel=1).ready()
    first = begin(box)
    await box.until(lambda status: status.running == 1)
    second = begin(box)
    await box.until(lambda status: status.queued == 1)

    await hang_up(second)

    await box.until(lambda status: (status.running, status.queued) == (1, 0))
    await hang_up(first)


async def test_waiting_longer_than_the_deadline_is_busy(echo):
    box = await echo(SLOW, parallel=1, queue_deadline=0.2).ready()
    first = begin(box)
    await box.until(lambda status: status.running == 1)

    with pytest.raises(Busy, match="no slot became free"):
        await answer(box, chat("?"))

    assert (await first).end.reason == "stop"


async def test_nobody_but_its_prover_comes_in_before_a_runner_is_proven(echo):
    box = echo(prove=True)
    await box.until(lambda status: status.phase is Phase.PROVING)
    with pytest.raises(NotReady, match="being proven"):
        await answer(box, chat("hello"))
    async with aclosing(runner_client.ask(box.socket, chat("hello"), proof=True)) as events:
        assert [each async for each in events]

    assert (await runner_client.open_door(box.socket)).phase is Phase.READY

    assert (await answer(box, chat("hello"))).text == "hello"


async def test_a_runner_that_drains_is_not_opened_again(echo):
    box = await echo(NEVER).ready()
    begin(box)
    await box.until(lambda status: status.running == 1)
    await runner_client.drain(box.socket, 30)

    assert (await runner_client.open_door(box.socket)).phase is Phase.DRAINING


async def test_a_renamed_runner_says_its_new_name_and_keeps_its_folder(echo, monkeypatch):
    monkeypatch.setenv("LMCTL_LOG", "json")
    box = await echo(Script(reply="a b c", fail_after_tokens=1)).ready()
    moved = box.folder.with_name("moved")
    box.folder.rename(moved)

    told = await runner_client.rename(str(moved / "s"), "other")

    assert (told.name, told.pid) == ("other", box.process.pid)
    with pytest.raises(EngineFailed):
        async for _ in runner_client.ask(str(moved / "s"), chat("?")):
            pass
    assert await box.exit_code() == 1
    assert json.loads((moved / "failure.json").read_bytes())["kind"] == "bug"
    lines = [json.loads(line) for line in (moved / "log").read_text().splitlines()]
    assert [each["runner"] for each in lines][-1] == "other"


async def test_draining_finishes_what_runs_refuses_what_comes_and_exits_0(echo):
    box = await echo(SLOW).ready()
    first = begin(box)
    await box.until(lambda status: status.running == 1)

    assert (await runner_client.drain(box.socket, 30)).phase is Phase.DRAINING
    with pytest.raises(Draining):
        await answer(box, chat("?"))

    assert (await first).text == SLOW.reply
    assert await box.exit_code() == 0
    assert not Path(box.socket).exists()


async def test_an_answer_that_outlasts_the_drain_is_told_why_it_ends(echo):
    box = await echo(NEVER).ready()
    first = begin(box)
    await box.until(lambda status: status.running == 1)

    await runner_client.drain(box.socket, 0.1)

    with pytest.raises(EngineFailed, match="the instance was unloaded"):
        await first
    assert await box.exit_code() == 0


async def test_sigterm_drains_and_a_second_one_ends_at_once(echo):
    box = await echo(NEVER, max_drain=600).ready()
    first = begin(box)
    await box.until(lambda status: status.running == 1)

    box.process.send_signal(signal.SIGTERM)
    await box.until(lambda status: status.phase is Phase.DRAINING)
    assert not first.done()
    box.process.send_signal(signal.SIGTERM)

    with pytest.raises(EngineFailed, match="the instance was unloaded"):
        await first
    assert await box.exit_code() == 0


async def test_a_load_can_be_called_off(echo):
    box = echo(Script(load_seconds=600))
    await box.until(lambda status: status.phase is Phase.LOADING)

    box.process.send_signal(signal.SIGTERM)

    assert await box.exit_code() == 0
    assert not (box.folder / "failure.json").exists()


async def test_a_hung_engine_still_tells_its_status_and_can_be_ended(echo):
    box = await echo(Script(reply="a b c", hang_after_tokens=1)).ready()
    first = begin(box)
    await box.until(lambda status: status.tokens == 1)

    assert (await runner_client.status(box.socket)).running == 1
    await runner_client.drain(box.socket, 0)

    with pytest.raises(EngineFailed):
        await first
    assert await box.exit_code() == 0


async def test_a_failed_load_is_told_written_down_and_exits_1(echo):
    box = echo(Script(load_seconds=0.5, fail_load="no room", fail_kind=FailureKind.CAPACITY))

    status = await box.until(lambda status: status.phase is Phase.FAILED)

    assert (status.failure, status.reason) == (FailureKind.CAPACITY, "no room")
    assert await box.exit_code() == 1
    written = json.loads((box.folder / "failure.json").read_bytes())
    assert written == {"kind": "capacity", "reason": "no room"}


async def test_an_engine_that_breaks_ends_its_runner_and_every_answer(echo):
    box = await echo(Script(reply="a b c", token_seconds=0.2, fail_after_tokens=2)).ready()

    told = await asyncio.gather(begin(box), begin(box), return_exceptions=True)

    assert [type(each) for each in told] == [EngineFailed, EngineFailed]
    assert await box.exit_code() == 1
    assert json.loads((box.folder / "failure.json").read_bytes())["kind"] == "bug"


async def test_weights_that_are_not_the_declared_ones_are_not_loaded(echo, tmp_path):
    weights = tmp_path / "echo.json"
    weights.write_bytes(b"{}")
    declared = weight_file(weights)
    weights.write_bytes(b'{"reply": "something else"}')

    box = echo(files=(declared,))

    assert await box.exit_code() == 1
    written = json.loads((box.folder / "failure.json").read_bytes())
    assert written["kind"] == "integrity"
    assert declared.sha256[:12] in written["reason"]


async def test_weights_that_were_only_touched_are_hashed_again_and_loaded(echo, tmp_path):
    weights = tmp_path / "echo.json"
    weights.write_bytes(b"{}")
    declared = msgspec.structs.replace(weight_file(weights), mtime_ns=1, inode=1)

    box = await echo(files=(declared,)).ready()

    assert (await runner_client.status(box.socket)).weights == (declared.sha256,)


async def test_missing_weights_are_a_mistake_in_the_configuration(echo, tmp_path):
    weights = tmp_path / "echo.json"
    weights.write_bytes(b"{}")
    declared = msgspec.structs.replace(weight_file(weights), path=str(tmp_path / "gone"))

    box = echo(files=(declared,))

    assert await box.exit_code() == 1
    assert json.loads((box.folder / "failure.json").read_bytes())["kind"] == "config"


async def test_the_socket_is_for_its_user_only_and_replaces_a_dead_one(echo):
    old = await echo().ready()
    await old.end()
    assert Path(old.socket).exists()

    new = start(old.folder, old.folder / "echo.json", engine="echo", load=LoadSettings())
    try:
        await new.ready()
        assert stat.S_IMODE(Path(new.socket).stat().st_mode) == 0o600
        assert (await runner_client.status(new.socket)).pid == new.process.pid
    finally:
        await new.end()


async def test_an_idle_runner_uses_no_processor_time(echo):
    box = await echo().ready()
    await answer(box, chat("warm up"))
    process = psutil.Process(box.process.pid)
    before = process.num_ctx_switches().voluntary

    async with asyncio.timeout(PATIENCE), aclosing(runner_client.watch(box.socket)) as reports:
        await anext(reports)
        silence = asyncio.ensure_future(anext(reports))
        await asyncio.wait({silence}, timeout=0.5)
        assert not silence.done()
        silence.cancel()
        await asyncio.wait({silence})

    assert process.num_ctx_switches().voluntary - before < 20


async def test_logs_are_json_when_asked_and_never_show_the_prompt(echo, monkeypatch):
    monkeypatch.setenv("LMCTL_LOG", "json")
    box = await echo().ready()
    await answer(box, chat("confidential"))
    await runner_client.drain(box.socket, 5)
    await box.exit_code()

    lines = [json.loads(line) for line in (box.folder / "log").read_text().splitlines()]

    assert {"loaded", "admitted", "draining"} <= {line["event"] for line in lines}
    assert all(line["request"] == "call-1" for line in lines if line["event"] == "admitted")
    assert "confidential" not in (box.folder / "log").read_text()


async def test_a_runner_whose_folder_was_made_afresh_finishes_and_gives_way(echo):
    box = await echo(SLOW).ready()
    asking = begin(box)
    await box.until(lambda status: status.running == 1)
    (box.folder / "spec.json").unlink()

    assert (await asking).text.split() == list("abcdefgh")
    assert await box.exit_code() == 0
