"""Several answers to one request: side by side, whole, and ended together."""

import asyncio
from contextlib import aclosing

import pytest

from lmctl.api.merging import AT_ONCE, merged, one
from lmctl.base.errors import Busy, EngineFailed
from lmctl.base.talk import Finished, PromptProgress, Started, TextDelta, Usage
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Answer

ROUTE = ServedRoute(name="chat", instance="chat", model="acme/chat", socket="", spec_digest="")
END = Finished("stop", Usage(1, 1))


def said(*words):
    return [Started(1), *map(TextDelta, words), END]


async def others_had_a_turn():
    """Return when everything that could go on has, as while a socket is read."""
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


class Runner:
    """Answers with scripts; knows how many answers are open, and waits where it is told to."""

    def __init__(self):
        self.open = self.most = self.asked = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def _events(self, script):
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for event in script:
                await self.may_go_on.wait()
                await others_had_a_turn()
                yield event
        finally:
            self.open -= 1

    async def answer(self, script):
        self.asked += 1
        events = self._events(script)
        return Answer("chat", ROUTE, await anext(events), events)

    def opens(self, *scripts):
        return [lambda script=each: self.answer(script) for each in scripts]


async def collected(events):
    async with aclosing(events):
        return [each async for each in events]


@pytest.fixture
async def runner():
    return Runner()


async def test_every_answer_comes_whole_and_in_its_own_order(runner):
    scripts = [said(f"{n}a", f"{n}b") for n in range(5)]
    first = await runner.answer(scripts[0])
    told = await collected(merged(first, runner.opens(*scripts[1:])))
    for index, script in enumerate(scripts):
        assert [event for number, event in told if number == index] == script
    assert len(told) == sum(map(len, scripts))


async def test_the_others_are_not_asked_before_the_first_prompt_is_read(runner):
    first = await runner.answer([PromptProgress(1, 9), Started(9), END])
    events = merged(first, runner.opens(said("a")))
    async with aclosing(events):
        runner.may_go_on.clear()
        assert await anext(events) == (0, PromptProgress(1, 9))
        assert runner.asked == 1
        runner.may_go_on.set()
        rest = [event async for event in events]
    assert runner.asked == 2
    assert len(rest) == 5


async def test_only_so_many_run_side_by_side(runner):
    scripts = [said("a")] * (3 * AT_ONCE)
    first = await runner.answer(scripts[0])
    told = await collected(merged(first, runner.opens(*scripts[1:])))
    assert sum(event == END for _, event in told) == len(scripts)
    assert runner.most <= AT_ONCE


async def test_the_first_trouble_ends_them_all(runner):
    async def refuse():
        raise Busy("no place")

    first = await runner.answer([*said("a")[:-1], *map(TextDelta, "b" * 500), END])
    with pytest.raises(Busy, match="no place"):
        await collected(merged(first, [refuse, *runner.opens(said("c"))]))
    await first.events.aclose()  # the exchange of the request closes it
    assert runner.open == 0


async def test_an_answer_without_an_end_is_a_failure(runner):
    with pytest.raises(EngineFailed, match="chat stopped in the middle"):
        await collected(one(await runner.answer(said("a")[:-1])))
