"""Conversations made up from a number: what a model would write in each turn, and how it is asked.

Number N is the same conversation for ever, so that one that fails can be asked again alone.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count, islice

CALLS = (
    '[TOOL_REQUEST]{"name": "add", "arguments": {"a": 1}}[END_TOOL_REQUEST]',
    '[TOOL_REQUEST]{"arguments": {"text": "é\\n\\"x\\""}, "name": "look up"}[END_TOOL_REQUEST]',
    '[TOOL_REQUEST]{"name": "add"}[END_TOOL_REQUEST]\n',
    '[TOOL_REQUEST]{"name": "nobody", "arguments": {}}[END_TOOL_REQUEST]',
    '[TOOL_REQUEST]{"name": "add", "arguments": <oops>}[END_TOOL_REQUEST]',
)
THOUGHTS = ("<think>\nhm, so\n</think>\n\n", "<think>hm", "</think>", "<think></think>")
WORDS = (
    "one ", "two ", "ü\u2028", "\n\n", '"quoted" ', "event: x\n", "data: [DONE]\n\n", "STOP",
    "{", "```json\n", "\U0001f600", " ", "<|", "x" * 40, "\\u0041",
)  # fmt: skip
NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
TOOLS = ("add", "look up")
AT_ONCE = 8


@dataclass(frozen=True)
class Conversation:
    """What the user says in each turn, which is what the echo engine answers, and how it is asked."""

    number: int
    turns: tuple[str, ...]
    system: str | None
    tools: bool
    must: bool
    limit: int | None
    stop: tuple[str, ...]
    choices: int
    sure: int | None
    usage: bool
    document: bool
    compared: bool

    @property
    def plain(self) -> bool:
        """Whether the answer is what was said, letter by letter."""
        marks = any(mark in said for said in self.turns for mark in ("think>", "{", "```", "["))
        return not (marks or self.limit or self.stop or self.must or self.document)


def conversation(number: int) -> Conversation:
    chance = random.Random(number)
    document = chance.random() < 0.03
    tools = not document and chance.random() < 0.6
    return Conversation(
        number,
        turns=tuple(_said(chance) for _ in range(chance.choice((1,) * 10 + (2, 3)))),
        system=chance.choice((None, None, "Be brief.")),
        tools=tools,
        must=tools and chance.random() < 0.05,
        limit=chance.randrange(1, 25) if chance.random() < 0.3 else None,
        stop=("STOP",) if chance.random() < 0.2 else (),
        choices=chance.choice((1,) * 18 + (2, 3)),
        sure=chance.randrange(3) if chance.random() < 0.2 else None,
        usage=chance.random() < 0.5,
        document=document,
        compared=chance.random() < 0.1,
    )


def _said(chance: random.Random) -> str:
    pieces = [chance.choice(THOUGHTS)] if chance.random() < 0.3 else []
    for _ in range(chance.randrange(1, 6)):
        piece = chance.choice(CALLS) if chance.random() < 0.3 else chance.choice(WORDS)
        pieces.append(piece[: chance.randrange(1, 30)] if chance.random() < 0.1 else piece)
    return "".join(pieces).strip(" \n") or "one"


def how_many() -> int:
    """Return how many conversations each kind of stream is held against."""
    return int(os.environ.get("LMCTL_STREAMS", "2000"))


async def through(converse: Callable[[Conversation], Awaitable[None]]) -> None:
    """Hold all conversations, some at once; what fails tells which it was."""
    numbers = iter(islice(count(), how_many()))

    async def some() -> None:
        for number in numbers:
            told = conversation(number)
            try:
                await converse(told)
            except BaseException as error:
                error.add_note(f"in {told}")
                raise

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
