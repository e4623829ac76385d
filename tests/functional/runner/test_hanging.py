"""A runner says of itself when its engine has work and does not move."""

import asyncio
import os
import signal

from lmctl.adapters import runner_client
from lmctl.base.spec import Phase
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import answer, chat


def begin(box, text="?"):
    return asyncio.create_task(answer(box, chat(text)))


async def hang_up(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_engine_that_stops_moving_is_called_hung_by_its_own_runner(echo):
    box = await echo(Script(reply="a b c", hang_after_tokens=1), hang_after=0.5).ready()
    asking = begin(box)

    status = await box.until(lambda status: status.hung is not None)

    assert status.hung is not None
    assert status.hung.startswith("no token for 0.")
    assert status.hung.endswith("with 1 running")
    assert status.phase is Phase.READY
    await hang_up(asking)
    assert (await runner_client.status(box.socket)).hung is not None  # nobody waits: it still hangs


async def test_a_long_prompt_and_an_idle_engine_are_not_hung(echo):
    script = Script(reply="a", prefill_seconds_per_token=0.02)
    box = await echo(script, hang_after=0.3).ready()
    hung = []

    async def watch():
        async for status in runner_client.watch(box.socket):
            hung.append(status.hung)

    watching = asyncio.create_task(watch())
    await begin(box, " ".join("w" * 60))  # 1.2 seconds without a token
    await hang_up(watching)

    assert set(hung) == {None}


async def test_an_engine_that_is_only_slow_is_not_hung_any_more_once_it_moves(echo):
    box = await echo(Script(reply="a b", token_seconds=1.0), hang_after=0.3).ready()
    asking = begin(box)

    await box.until(lambda status: status.hung is not None)
    await box.until(lambda status: status.hung is None)

    assert (await asking).text.strip() == "a b"


async def test_a_runner_that_was_stopped_and_goes_on_has_not_hung(echo):
    box = await echo(Script(reply="a b c", token_seconds=0.2), hang_after=1.5).ready()
    hung = []
    asking = begin(box)
    await box.until(lambda status: status.tokens > 0)

    async def watch():
        async for status in runner_client.watch(box.socket):
            hung.append(status.hung)

    watching = asyncio.create_task(watch())
    os.kill(box.process.pid, signal.SIGSTOP)
    await asyncio.sleep(2.0)  # the time that passes is what this is about
    os.kill(box.process.pid, signal.SIGCONT)
    await asking
    await hang_up(watching)

    assert set(hung) == {None}
