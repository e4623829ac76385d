"""The asker's side of a runner's socket: one connection per question.

Unreachable, NotReady, Draining and Busy always mean that nothing of the answer exists yet, so
the question may be put to another runner. EngineFailed means that it may have been begun.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NoReturn

import msgspec

from lmctl.base.errors import (
    BadRequest,
    Busy,
    Draining,
    EngineFailed,
    NotReady,
    Unreachable,
)
from lmctl.base.quantities import format_size
from lmctl.base.spec import RunnerStatus
from lmctl.base.talk import Call, Chat, Event, Finished, Prompt
from lmctl.runner import wire

CONNECT_TIMEOUT = 5.0
"""Seconds until a runner that does not accept counts as unreachable."""
ADMISSION_TIMEOUT = 30.0
"""Seconds until a runner that does not say yes or no counts as unreachable."""


async def ask(socket: str, call: Call, *, proof: bool = False) -> AsyncGenerator[Event, None]:
    """Yield the answer to a call; closing the generator closes the connection and cancels it.
    A `proof` is answered before the runner is open to clients.

    Raises Unreachable, NotReady, Draining or Busy when nothing was begun, BadRequest when the
    call cannot be answered, and EngineFailed when the answer broke off.
    """
    async with _question(socket, wire.Ask(call, proof)) as reader:
        try:
            async with asyncio.timeout(ADMISSION_TIMEOUT):
                first = await _read(reader)
        except TimeoutError as error:
            raise Unreachable(f"the runner at {socket} does not answer", hint=_HINT) from error
        match first:
            case wire.Admitted():
                pass
            case wire.Trouble():
                _raise(first)
            case None:
                raise Unreachable(f"the runner at {socket} closed the connection", hint=_HINT)
            case _:
                raise _unexpected(first)
        while True:
            match answer := await _read(reader):
                case Finished():
                    yield answer
                    return
                case wire.Trouble():
                    _raise(answer)
                case None:
                    raise EngineFailed(
                        f"the runner at {socket} died while answering",
                        hint="`lmctl events` tells what happened to its instance",
                    )
                case wire.Admitted() | wire.Report() | wire.Counted() | wire.Given() | wire.Made():
                    raise _unexpected(answer)
                case _:
                    yield answer


async def status(socket: str, *, timeout: float = 5.0) -> RunnerStatus:  # noqa: ASYNC109 - a deadline per question
    """Return how the runner is. Raises Unreachable when it does not say within `timeout` seconds."""
    return await _report(socket, wire.Status(), timeout)


async def drain(socket: str, seconds: float, *, timeout: float = 5.0) -> RunnerStatus:  # noqa: ASYNC109
    """Tell the runner to end within `seconds`; return its status, already draining."""
    return await _report(socket, wire.Drain(seconds), timeout)


async def open_door(socket: str, *, timeout: float = 5.0) -> RunnerStatus:  # noqa: ASYNC109
    """Tell a proven runner to take clients' requests; return its status."""
    return await _report(socket, wire.Open(), timeout)


async def rename(socket: str, name: str, *, timeout: float = 5.0) -> RunnerStatus:  # noqa: ASYNC109
    """Tell the runner what its instance is called now; return its status."""
    return await _report(socket, wire.Rename(name), timeout)


async def count(socket: str, asked: Chat | Prompt, *, timeout: float = 30.0) -> int:  # noqa: ASYNC109
    """Return how many tokens of prompt this makes for the runner's model, template included.

    Raises BadRequest when the model's template refuses it, Unreachable and NotReady.
    """
    answer = await _one(socket, wire.Count(asked), timeout)
    if isinstance(answer, wire.Trouble):
        _raise(answer)
    if not isinstance(answer, wire.Counted):
        raise _unexpected(answer)
    return answer.tokens


async def watch(socket: str) -> AsyncGenerator[RunnerStatus, None]:
    """Yield the runner's status now and after every change, until the runner ends.

    Raises Unreachable when it cannot be reached to begin with.
    """
    async with _question(socket, wire.Watch()) as reader:
        while (answer := await _read(reader)) is not None:
            yield _status(answer)


async def follow(socket: str) -> AsyncGenerator[wire.Admitted | wire.Given | wire.Made, None]:
    """Yield what the runner's model is given and what it makes of that, from the Admitted on that
    comes first, until the runner ends. Raises Unreachable when it cannot be reached to begin with.
    """
    async with _question(socket, wire.Follow()) as reader:
        while (answer := await _read(reader)) is not None:
            if not isinstance(answer, wire.Admitted | wire.Given | wire.Made):
                raise _unexpected(answer)
            yield answer


_HINT = "is the instance loaded? `lmctl get instances` shows its phase"


async def _report(socket: str, question: wire.Question, seconds: float) -> RunnerStatus:
    return _status(await _one(socket, question, seconds))


async def _one(socket: str, question: wire.Question, seconds: float) -> wire.Answer:
    try:
        async with asyncio.timeout(seconds), _question(socket, question) as reader:
            answer = await _read(reader)
    except TimeoutError as error:
        raise Unreachable(f"the runner at {socket} does not answer in {seconds:g} s") from error
    if answer is None:
        raise Unreachable(f"the runner at {socket} closed the connection")
    return answer


@asynccontextmanager
async def _question(
    socket: str, question: wire.Question
) -> AsyncGenerator[asyncio.StreamReader, None]:
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(socket)
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"no runner answers at {socket}: {error}", hint=_HINT) from error
    try:
        await _send(writer, question)
        yield reader
    finally:
        writer.close()


async def _send(writer: asyncio.StreamWriter, question: wire.Question) -> None:
    frame = _framed(question)
    try:
        writer.write(frame)
        await writer.drain()
    except OSError as error:
        raise Unreachable(f"the runner closed the connection: {error}", hint=_HINT) from error


def _framed(question: wire.Question) -> bytes:
    """Return the question as a frame. Raises BadRequest when it fits into none."""
    try:
        frame = wire.frame(question)
    except OverflowError as error:
        raise BadRequest("a whole number of the request has more than 64 bits") from error
    if len(frame) > wire.LIMIT:
        most = format_size(wire.LIMIT)
        raise BadRequest(f"the request has {format_size(len(frame))}, and a model takes {most}")
    return frame


async def _read(reader: asyncio.StreamReader) -> wire.Answer | None:
    try:
        return await wire.read_answer(reader)
    except (msgspec.DecodeError, ValueError) as error:
        raise EngineFailed(f"the runner answered with no answer: {error}") from error


def _status(answer: wire.Answer) -> RunnerStatus:
    if isinstance(answer, wire.Report):
        return answer.status
    if isinstance(answer, wire.Trouble):
        _raise(answer)
    raise _unexpected(answer)


def _raise(trouble: wire.Trouble) -> NoReturn:
    message, hint, after = trouble.message, trouble.hint, trouble.retry_after
    match trouble.kind:
        case "draining":
            raise Draining(message, retry_after=after, hint=hint)
        case "busy":
            raise Busy(message, retry_after=after, hint=hint)
        case "not_ready":
            raise NotReady(message, retry_after=after, hint=hint)
        case "bad_request":
            raise BadRequest(message, param=trouble.param, code=trouble.code, hint=hint)
        case "engine_failed":
            raise EngineFailed(message, hint=hint)


def _unexpected(answer: wire.Answer) -> EngineFailed:
    return EngineFailed(f"the runner answered with an unexpected {type(answer).__name__}")
