"""Conversations that go on from one request to the next: what is kept, and what a turn starts from.

A kept turn is never changed, so any number of requests can go on from one id. A system prompt is
not part of the turns: the last one said is in force and always stands at the head.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from lmctl.base.errors import LmctlError, NotFound
from lmctl.base.stored import StoredTurn
from lmctl.base.talk import Message
from lmctl.planning.surface import Retention
from lmctl.serving.background import Backgrounds

Result = TypeVar("Result")

_log = structlog.get_logger("lmctl.serving")


class UnknownTurn(NotFound):
    """Nothing is kept under this id, or it is not any more."""


class Turns(Protocol):
    """Where turns are kept. Every method may wait for a disk."""

    def add(self, turn: StoredTurn, *, keep: float, most: int) -> None: ...
    def line(self, turn_id: str) -> tuple[StoredTurn, ...]: ...
    def get(self, turn_id: str) -> StoredTurn | None: ...
    def forget(self, turn_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Past:
    """What was said before `turn` ended: the messages in order, and the system prompt in force."""

    messages: tuple[Message, ...] = ()
    system: str = ""
    turn: str | None = None


class Conversations:
    """The kept turns, for an event loop: the disk is waited for on a thread of its own. In the
    `background` are those whose answer is still to come.
    """

    def __init__(self, turns: Turns, background: Backgrounds) -> None:
        self.background = background
        self._turns = turns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="conversations")

    async def past(self, previous: str | None) -> Past:
        """Return what a turn that goes on from `previous` starts from. Raises UnknownTurn."""
        if previous is None:
            return Past()
        line = await self._do(lambda: self._turns.line(previous))
        if not line:
            raise _unknown(previous)
        said = tuple(each for turn in line for each in turn.messages)
        return Past(said, line[-1].system, previous)

    async def keep(self, turn: StoredTurn, retention: Retention) -> bool:
        """Keep a turn; say whether it is kept. One that cannot be is logged: it was answered."""
        try:
            await self._do(lambda: self._turns.add(turn, keep=retention.keep, most=retention.most))
        except LmctlError as error:
            _log.warning("turn not kept", turn=turn.id, why=str(error))
            return False
        return True

    async def get(self, turn_id: str) -> StoredTurn:
        """Return one turn. Raises UnknownTurn."""
        found = await self._do(lambda: self._turns.get(turn_id))
        if found is None:
            raise _unknown(turn_id)
        return found

    async def forget(self, turn_id: str) -> None:
        """Delete one turn; those that went on from it stay. Raises UnknownTurn."""
        if not await self._do(lambda: self._turns.forget(turn_id)):
            raise _unknown(turn_id)

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def headed(messages: tuple[Message, ...], system: str) -> tuple[Message, ...]:
    """Return a conversation with all its system prompts as one turn at the head, `system` first.

    Many templates know a system prompt in no other place. Nothing said at all is one empty turn.
    """
    prompts = [system, *(each.content for each in messages if each.role == "system")]
    told = "\n\n".join(each for each in prompts if isinstance(each, str) and each)
    rest = tuple(each for each in messages if each.role != "system")
    head = (Message(role="system", content=told),) if told else ()
    return head + (rest or (Message(role="user"),))


def new_turn_id() -> str:
    """Return an id as contract 1.1 has it."""
    return f"resp_{secrets.token_hex(24)}"


def now() -> float:
    """Return the time as turns have it."""
    return time.time()


def _unknown(turn_id: str) -> UnknownTurn:
    return UnknownTurn(
        f"no response `{turn_id}` is stored",
        hint="it may be older than the Server's `conversations.keep`, or was asked with"
        " `store: false`",
    )
