"""Whoever follows a runner is told what its model is given and what it makes of that."""

import asyncio
from contextlib import aclosing

from lmctl.adapters import runner_client
from lmctl.runner import wire
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import PATIENCE, answer, chat


async def test_every_follower_is_told_of_requests_that_begin_after_it(echo):
    box = await echo(Script(token_seconds=0.01)).ready()
    await answer(box, chat("before"))
    async with (
        asyncio.timeout(PATIENCE),
        aclosing(runner_client.follow(box.socket)) as one,
        aclosing(runner_client.follow(box.socket)) as other,
    ):
        assert isinstance(await anext(one), wire.Admitted)
        assert isinstance(await anext(other), wire.Admitted)
        told = await answer(box, chat("one two"))
        for each in (one, other):
            given, made = await anext(each), await anext(each)
            assert isinstance(given, wire.Given)
            assert "one two" in given.text
            assert made == wire.Made(given.request, "one two", told.end)


async def test_a_request_that_is_broken_off_is_told_with_what_there_was(echo):
    box = await echo(Script(reply="word " * 10_000, token_seconds=0.01)).ready()
    async with asyncio.timeout(PATIENCE), aclosing(runner_client.follow(box.socket)) as telling:
        assert isinstance(await anext(telling), wire.Admitted)
        async with aclosing(runner_client.ask(box.socket, chat("?"))) as asking:
            async for _ in asking:
                if isinstance(given := await anext(telling), wire.Given):
                    break
        made = await anext(telling)
    assert isinstance(made, wire.Made)
    assert (made.request, made.finished) == (given.request, None)


async def test_a_follower_that_leaves_or_does_not_read_holds_nobody_up(echo):
    box = await echo(Script()).ready()
    async with asyncio.timeout(PATIENCE), aclosing(runner_client.follow(box.socket)) as deaf:
        assert isinstance(await anext(deaf), wire.Admitted)
        for _ in range(20):
            assert (await answer(box, chat("text " * 200))).end.reason == "stop"
    assert (await answer(box, chat("after"))).text == "after"
