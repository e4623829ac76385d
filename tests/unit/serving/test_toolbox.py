"""Names of tools, and what calls of them come to, without a server behind them."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lmctl.base.errors import Unreachable
from lmctl.base.talk import Image, Text, ToolCall
from lmctl.base.tools import ToolAnswer, ToolOffer
from lmctl.planning.surface import ToolRules
from lmctl.serving.toolbox import Provider, Toolbox, message_of


@dataclass
class Server:
    """Answers every call with the same parts, or breaks."""

    provider: Provider
    tools: tuple[ToolOffer, ...]
    answer: Any = field(default_factory=ToolAnswer)

    async def call(self, *_, **__):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def server(label, *names, answer=None, ephemeral=False):
    tools = tuple(ToolOffer(name) for name in names)
    return Server(Provider(label, ephemeral), tools, answer or ToolAnswer())


def names(box):
    return [each.name for each in box.definitions]


@pytest.mark.parametrize(
    ("servers", "taken", "told"),
    [
        ([server("a", "x", "y")], (), ["x", "y"]),
        ([server("a", "x"), server("b", "x", "y")], (), ["a_x", "b_x", "y"]),
        ([server("a", "x"), server("a", "x", ephemeral=True)], (), ["a_x", "a_x_"]),
        ([server("a", "x")], ("x", "a_x"), ["a_x_"]),
    ],
)
def test_every_tool_has_a_name_of_its_own(servers, taken, told):
    assert names(Toolbox(servers, ToolRules(), taken=taken)) == told


async def outcome(answer, sees=False, **rules):
    box = Toolbox([server("a", "x", answer=answer)], ToolRules(**rules))
    found = await box.outcome(0, ToolCall("1", "x", "{}"))
    return message_of(replace(found, sees=sees))


async def test_a_server_that_is_lost_is_an_answer():
    told = await outcome(Unreachable("it has gone"))
    assert told.content == "it has gone"


async def test_pictures_reach_a_model_that_sees():
    parts = (
        {"type": "text", "text": "look"},
        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
    )
    assert (await outcome(ToolAnswer(parts), sees=True)).content == (
        Text("look"),
        Image(b"hi", "image/png"),
    )
    assert "cannot see" in (await outcome(ToolAnswer(parts))).content


async def test_what_is_long_is_cut_and_nothing_is_said_so():
    parts = (
        {"type": "text", "text": "äää"},
        {"type": "resource", "resource": {"uri": "u", "text": "12345"}},
        {"type": "audio", "data": "x", "mimeType": "audio/wav"},
    )
    told = (await outcome(ToolAnswer(parts), max_output=3)).content
    assert (
        told == "ä\n[cut: 3 of 6 bytes are shown]\n[u]\n123\n[cut: 3 of 5 bytes are shown]\n[audio]"
    )
    assert (await outcome(ToolAnswer())).content == "[nothing]"
