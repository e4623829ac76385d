"""Names that lead to one of several instances: in order, by weight, with fallbacks."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from lmctl.planning.surface import AliasTarget, Limits, ServedAlias
from lmctl.runner.wire import Trouble
from tests.support.tiny_runner import tiny_runner

DRAINING = Trouble("draining", "it is draining")


def alias(*targets, fallback=(), names=("smart",)):
    return ServedAlias("smart", names, targets, fallback)


def declare(box, found, *names, **settings):
    routes = [box.route(name, model=f"acme/{name}") for name in names]
    box.serve(*routes, aliases=(found,), **settings)


class Runners:
    """Some ready runners, and who was asked how often."""

    def __init__(self, box, *names):
        self._box = box
        self._names = names
        self._stack = AsyncExitStack()

    async def __aenter__(self):
        self.by_name = {
            name: await self._stack.enter_async_context(tiny_runner(self._box.socket(name)))
            for name in self._names
        }
        return self

    async def __aexit__(self, *error):
        await self._stack.aclose()

    def __getitem__(self, name):
        return self.by_name[name]

    @property
    def asked(self):
        return {name: len(each.calls) for name, each in self.by_name.items()}


IN_ORDER = alias(AliasTarget("a"), AliasTarget("b"), fallback=("c",))


async def test_the_first_target_that_is_up_answers_and_says_its_own_name(box, server):
    declare(box, IN_ORDER, "a", "b", "c")
    async with Runners(box, "a", "b", "c") as runners:
        box.health(a="ready", b="ready", c="ready")
        assert (await server.chat(model="smart")).json["model"] == "a"
        box.health(a=("waiting", "loading"), b="ready", c="ready")
        assert (await server.chat(model="smart")).json["model"] == "b"
        box.health(a="stalled", b="failed", c="ready")
        assert (await server.chat(model="smart")).json["model"] == "c"
        assert runners.asked == {"a": 1, "b": 1, "c": 1}


async def test_a_target_that_will_not_take_it_gives_way_to_the_next(box, server):
    declare(box, IN_ORDER, "a", "b", "c")
    box.health(a="ready", b="ready", c="ready")  # as a daemon that died left it
    async with Runners(box, "b", "c") as runners:
        assert (await server.chat(model="smart")).json["model"] == "b"
        runners["b"].behave(refuse=DRAINING)
        assert (await server.chat(model="smart")).json["model"] == "c"
    assert server.gateway.parked == 0


async def test_requests_are_spread_by_weight_evenly_mixed_and_always_the_same_way(box, server):
    found = alias(
        AliasTarget("a", 5), AliasTarget("b", 1), AliasTarget("c", 2), AliasTarget("d", 0)
    )
    declare(box, found, "a", "b", "c", "d")
    box.health(a="ready", b="ready", c="ready", d="ready")
    async with Runners(box, "a", "b", "c", "d"):
        order = [(await server.chat(model="smart")).json["model"] for _ in range(16)]
    assert "".join(order) == "acaabaca" * 2


async def test_only_targets_that_are_up_share_the_requests(box, server):
    found = alias(AliasTarget("a", 1), AliasTarget("b", 1), AliasTarget("c", 8))
    declare(box, found, "a", "b", "c")
    box.health(a="ready", b="ready", c=("waiting", "loading"))
    async with Runners(box, "a", "b", "c") as runners:
        for _ in range(6):
            assert (await server.chat(model="smart")).status == 200
        assert runners.asked == {"a": 3, "b": 3, "c": 0}


async def test_with_nothing_up_a_request_waits_for_whichever_comes_first(box, server):
    declare(box, IN_ORDER, "a", "b", "c")
    box.health(a=("waiting", "loading"), b="stalled", c=("waiting", "loading"))
    asking = asyncio.create_task(server.chat(model="smart"))
    await until(lambda: server.gateway.parked == 1)

    async with tiny_runner(box.socket("c")):
        assert (await asking).json["model"] == "c"


async def test_with_everything_in_trouble_a_request_is_refused_at_once(box, server):
    declare(box, IN_ORDER, "a", "b", "c")
    box.health(a=("stalled", "no such file"), b="failed", c="failed")

    answer = await server.chat(model="smart")

    assert answer.status == 503
    assert "a has stalled and needs a change of its manifest: no such file" in answer.body.decode()


async def test_the_deadline_holds_for_aliases_too(box, server):
    declare(box, IN_ORDER, "a", "b", "c", limits=Limits(queue_deadline=0.05))
    answer = await server.chat(model="smart")
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_not_ready")


async def test_aliases_are_listed_and_told_of(box, server):
    declare(box, alias(AliasTarget("a"), names=("smart", "gpt-4o")), "a", "b")
    listed = (await server.get("/v1/models")).json["data"]
    assert [each["id"] for each in listed] == ["a", "b", "gpt-4o", "smart"]
    assert (await server.get("/v1/models/gpt-4o")).status == 200
    assert "known: a, b, gpt-4o, smart" in (await server.chat(model="nope")).body.decode()


async def test_an_alias_is_asked_for_by_its_exact_name_only(box, server):
    declare(box, alias(AliasTarget("a")), "a", "b")
    assert (await server.chat(model="SMART")).status == 400


async def test_a_route_that_changes_is_followed_by_the_next_request(box, server):
    async with Runners(box, "a", "b"):
        seen = Counter()
        for target in ("a", "b", "a"):
            declare(box, alias(AliasTarget(target)), "a", "b")
            seen[(await server.chat(model="smart")).json["model"]] += 1
    assert seen == {"a": 2, "b": 1}


async def until(true):
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)
