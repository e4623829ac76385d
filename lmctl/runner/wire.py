"""What is said over a runner's unix socket: length-prefixed msgpack frames.

One connection is one question. The asker sends one `Question` frame and reads answers until the
runner closes; closing early is how a request is cancelled. A frame is a 4-byte big-endian length
and that many bytes of msgpack, 16 MiB at most.

    Ask(call)  -> Admitted, Event…, or Trouble   (Trouble first = never started: safe to retry)
    Status()   -> RunnerStatus
    Watch()    -> RunnerStatus now and after every change, until either side closes
    Drain()    -> RunnerStatus (draining); the runner exits when its last request is done
    Open()     -> RunnerStatus; a proven runner takes clients' requests from now on
    Rename()   -> RunnerStatus; it calls itself by that name from now on
    Count()    -> Counted, or Trouble
    Follow()   -> Admitted, then Given and Made of every request that begins from now on, until either side closes
"""

import asyncio
from typing import Literal

import msgspec

from lmctl.base.spec import RunnerStatus
from lmctl.base.talk import Call, Chat, Event, Finished, Prompt

LIMIT = 16 * 1024 * 1024

TroubleKind = Literal["draining", "busy", "not_ready", "bad_request", "engine_failed"]


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Answer this call. A `proof` is let in before the door is open to clients."""

    call: Call
    proof: bool = False


class Status(msgspec.Struct, frozen=True, tag=True):
    """Say once how you are."""


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Say how you are, and again after every change."""


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Take no new work, finish what you have within `seconds`, then exit."""

    seconds: float


class Open(msgspec.Struct, frozen=True, tag=True):
    """You are proven: take requests."""


class Rename(msgspec.Struct, frozen=True, tag=True):
    """Your instance is called this now."""

    name: str


class Count(msgspec.Struct, frozen=True, tag=True):
    """Say how many tokens of prompt this makes, template included."""

    input: Chat | Prompt


class Follow(msgspec.Struct, frozen=True, tag=True):
    """Tell of requests: what the model was given, and what it made of that."""


class Given(msgspec.Struct, frozen=True, tag=True):
    """A request begins: the text its model reads, the template filled in; empty where it came as
    tokens.
    """

    request: str
    text: str


class Made(msgspec.Struct, frozen=True, tag=True):
    """A request is over: all that was written, thoughts and calls included; `finished` is None where
    it was broken off.
    """

    request: str
    text: str
    finished: Finished | None = None


class Counted(msgspec.Struct, frozen=True, tag=True):
    """The answer to Count."""

    tokens: int


class Admitted(msgspec.Struct, frozen=True, tag=True):
    """The request counts now: running, or `waiting` places from running."""

    waiting: int = 0


class Trouble(msgspec.Struct, frozen=True, tag=True):
    """Why there is no (more) answer."""

    kind: TroubleKind
    message: str
    retry_after: float = 1.0
    param: str | None = None
    hint: str | None = None
    code: str | None = None


class Report(msgspec.Struct, frozen=True, tag=True):
    """The answer to Status, Watch, Drain, Open and Rename."""

    status: RunnerStatus


Question = Ask | Status | Watch | Drain | Open | Rename | Count | Follow
Answer = Admitted | Trouble | Report | Counted | Given | Made | Event

_encoder = msgspec.msgpack.Encoder()
_questions = msgspec.msgpack.Decoder(Question)
_answers = msgspec.msgpack.Decoder(Answer)


def frame(value: Question | Answer) -> bytes:
    """Return the value as one frame, ready to write."""
    body = _encoder.encode(value)
    return len(body).to_bytes(4, "big") + body


async def read_question(reader: asyncio.StreamReader) -> Question | None:
    """Return the next question, or None when the asker closed.

    Raises msgspec.DecodeError or ValueError when the bytes are no question.
    """
    body = await _read(reader)
    return None if body is None else _questions.decode(body)


async def read_answer(reader: asyncio.StreamReader) -> Answer | None:
    """Return the next answer, or None when the runner closed."""
    body = await _read(reader)
    return None if body is None else _answers.decode(body)


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > LIMIT:
            raise ValueError(f"a frame of {size} bytes is over the limit of {LIMIT}")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return None
