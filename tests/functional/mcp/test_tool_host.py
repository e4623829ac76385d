"""The host of declared servers: up, restarted, replaced, let go."""

import asyncio
import sys

import pytest

from lmctl.adapters.mcp.host import ToolHost
from lmctl.adapters.mcp.targets import LocalTarget
from lmctl.base.errors import NotFound, NotReady, Refused
from lmctl.planning.seen_tools import ToolPhase
from lmctl.planning.wanted_tools import WantedToolServer
from tests.functional.mcp.conftest import PATIENCE, SERVER, text


def want(name="tiny", digest="1", *args, command=sys.executable):
    return WantedToolServer(name, name, digest, command, args or (SERVER,))


class Hosted:
    """A host, and a way to wait until it looks like something."""

    def __init__(self, logs):
        self.news = asyncio.Event()
        self.host = ToolHost(self.target, logs=logs, changed=self.news.set, first_pause=0.05)

    async def target(self, wanted):
        if wanted.command == "refused":
            raise Refused("this cannot be", hint="do that")
        return LocalTarget(wanted.command, wanted.args)

    async def until(self, holds):
        async with asyncio.timeout(PATIENCE):
            while not holds({each.name: each for each in self.host.seen()}):
                await self.news.wait()
                self.news.clear()

    async def up(self, name="tiny", failures=0):
        await self.until(
            lambda s: s[name].phase is ToolPhase.READY and s[name].failures >= failures
        )


@pytest.fixture
async def hosted(tmp_path):
    made = Hosted(tmp_path)
    yield made
    await made.host.close()


async def test_a_server_that_dies_is_started_again_and_calls_wait_for_it(hosted, tmp_path):
    hosted.host.follow((want(),))
    assert "add" in [each.name for each in await hosted.host.tools("tiny")]
    await asyncio.gather(
        hosted.host.call("tiny", "die", {}, seconds=PATIENCE), return_exceptions=True
    )
    await hosted.up(failures=1)
    answer = await hosted.host.call("tiny", "add", {"a": 1, "b": 2}, seconds=PATIENCE)
    assert text(answer) == "3"
    assert "the server ended the connection" in (tmp_path / "mcp-tiny.log").read_text()


async def test_an_edit_touches_only_the_server_it_is_about(hosted):
    hosted.host.follow((want("a"), want("b")))
    await hosted.up("a")
    await hosted.up("b")
    asked = asyncio.create_task(hosted.host.call("b", "sleep", {"seconds": 0.2}, seconds=PATIENCE))
    hosted.host.follow((want("a", "2"), want("b")))
    assert text(await asked) == "awake"
    await hosted.up("a")
    hosted.host.follow((want("b"),))
    assert [each.name for each in hosted.host.seen()] == ["b"]
    with pytest.raises(NotFound):
        await hosted.host.tools("a")


async def test_what_cannot_be_started_is_tried_again_and_tells_why(hosted):
    hosted.host.follow((want(command="/no/such/program"),))
    await hosted.until(lambda s: s["tiny"].failures >= 3)
    [seen] = hosted.host.seen()
    assert seen.phase is ToolPhase.FAILING
    with pytest.raises(NotReady, match="there is no program"):
        await hosted.host.call("tiny", "add", {}, seconds=1.0)


async def test_what_needs_a_person_is_not_tried_again_until_told_so(hosted):
    hosted.host.follow((want(command="refused"),))
    await hosted.until(lambda s: s["tiny"].phase is ToolPhase.STUCK)
    assert hosted.host.seen()[0].reason == "this cannot be. do that"
    hosted.host.again("tiny")
    await hosted.until(lambda s: s["tiny"].failures == 2)


async def test_one_that_is_up_is_connected_again_when_somebody_asks(hosted):
    hosted.host.follow((want(),))
    await hosted.up()
    hosted.host.again("tiny")
    await hosted.up(failures=1)
    answer = await hosted.host.call("tiny", "add", {"a": 1, "b": 2}, seconds=PATIENCE)
    assert text(answer) == "3"
