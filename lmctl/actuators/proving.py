"""Proof that a loaded runner answers: one token, then the instance's own checks.

It is asked over the runner's socket like any client asks, before clients are let in, or beside them
when only the checks of a serving instance were edited.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Protocol

import msgspec

from lmctl.base.errors import BadRequest, EngineFailed, LmctlError
from lmctl.base.json_schema import mismatch
from lmctl.base.quantities import format_duration
from lmctl.base.spec import FailureKind, ModelKind
from lmctl.base.talk import Call, Chat, Event, Finished, Message, Prompt, Sampling, TextDelta, Texts
from lmctl.chat.effective import PREFIX, effective
from lmctl.planning.conditions import Progress
from lmctl.planning.desired import Check, WantedInstance

Report = Callable[[Progress], None]

# Below the instance's own settings: the same question should get the same answer every time, and
# a model that never stops should not use up the time.
_DEFAULTS: Final = {f"{PREFIX}temperature": 0.0, f"{PREFIX}maxPredictedTokens": 512}
_PLACES: Final = 1_000_000  # behind how many a proof may queue: it is never turned away
_SHOWN: Final = 120  # characters of an answer that are told


class Ask(Protocol):
    """How a runner is asked: by socket; `proof` comes in before clients do."""

    def __call__(
        self, socket: str, call: Call, *, proof: bool = False
    ) -> AsyncGenerator[Event, None]: ...


class Disproved(LmctlError):
    """The runner did not show what it must; `kind` says whether it may another time."""

    def __init__(self, message: str, *, kind: FailureKind) -> None:
        super().__init__(message)
        self.kind = kind


async def says_something(ask: Ask, socket: str, kind: ModelKind) -> None:
    """Return once the runner has made one token, or one vector if that is its kind of model. Raises
    Disproved.

    Raw text, not a chat: what a model without a template can do is proven too.
    """
    asked = Texts(("Hello",)) if kind == "embedding" else Prompt("Hello")
    call = Call("proof-token", asked, Sampling(temperature=0.0), max_tokens=1)
    try:
        await _answer(ask, socket, call)
    except LmctlError as error:
        what = "makes no vector" if kind == "embedding" else "says no token"
        raise Disproved(f"it loaded and {what}: {error}", kind=_kind(error)) from error


async def passes_checks(ask: Ask, socket: str, want: WantedInstance, report: Report) -> None:
    """Return once every check was answered well. Raises Disproved with the first that was not."""
    for number, check in enumerate(want.checks, start=1):
        place = f"check {number} of {len(want.checks)}"
        report(Progress(f"proving: {place}", number - 1, len(want.checks)))
        try:
            async with asyncio.timeout(check.max_seconds):
                answer = await _answer(ask, socket, _call(check, want, f"proof-check-{number}"))
        except TimeoutError:
            limit = format_duration(check.max_seconds)
            raise _failed(place, check, f"had no whole answer within {limit}") from None
        except LmctlError as error:
            told = f"{place} could not be asked: {error}"
            raise Disproved(told, kind=_kind(error)) from error
        if fault := _fault(check, answer):
            raise _failed(place, check, f'was answered "{_cut(answer)}", {fault}')


def _failed(place: str, check: Check, what: str) -> Disproved:
    return Disproved(f'{place}: "{_cut(check.prompt)}" {what}', kind=FailureKind.CONFIG)


def _call(check: Check, want: WantedInstance, name: str) -> Call:
    settings = effective({}, want.operation, _DEFAULTS, fields=want.custom_fields)
    question = Chat((Message("user", check.prompt),))
    return msgspec.structs.replace(
        settings.call(name, question), queue=_PLACES, queue_deadline=check.max_seconds
    )


async def _answer(ask: Ask, socket: str, call: Call) -> str:
    pieces = []
    async with aclosing(ask(socket, call, proof=True)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                pieces.append(event.text)
            elif isinstance(event, Finished):
                break
    return "".join(pieces)


def _fault(check: Check, answer: str) -> str:
    """Return what is wrong with an answer, empty for nothing."""
    if check.regex is not None and not re.search(check.regex, answer):
        return f"expected a match of `{check.regex}`"
    if check.json_schema is None:
        return ""
    try:
        value = json.loads(answer)
    except ValueError as error:
        return f"expected JSON: {error}"
    wrong = mismatch(check.json_schema, value)
    return f"expected JSON that fits the schema: {wrong}" if wrong else ""


def _cut(text: str) -> str:
    """Return a text on one line, cut to what a status line can hold."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"


def _kind(error: LmctlError) -> FailureKind:
    match error:
        case BadRequest():
            return FailureKind.CONFIG
        case EngineFailed():
            return FailureKind.BUG
        case _:
            return FailureKind.TRANSIENT
