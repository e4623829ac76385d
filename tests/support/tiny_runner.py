"""A small real runner: it speaks the wire protocol on a unix socket and echoes, as scripted.

It stands in for the process behind the socket, so that the gateway is tried on real connections:
the last user message comes back word by word, every text as the same vector.
"""

import asyncio
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from lmctl.base.spec import Phase, RunnerStatus
from lmctl.base.talk import (
    Call,
    Chat,
    ChosenToken,
    Embedded,
    Event,
    Finished,
    Started,
    TextDelta,
    Texts,
    TokenChoice,
    Usage,
)
from lmctl.runner.wire import (
    Admitted,
    Ask,
    Count,
    Counted,
    Drain,
    Report,
    Trouble,
    Watch,
    frame,
    read_question,
)


@dataclass(frozen=True)
class Script:
    """How to behave: `refuse` is said instead of an answer; `hold` keeps silent before the first
    word until `TinyRunner.release` is set; `hold_after` does so after that many words;
    `die_after` closes the connection after that many words; `fail_after` says so first; `text` is
    answered instead of the echo; `flood` answers that many one-letter words at once; `events` are
    sent as they are, `rounds` to one request after the other.
    """

    refuse: Trouble | None = None
    hold: bool = False
    hold_after: int | None = None
    die_after: int | None = None
    fail_after: int | None = None
    text: str | None = None
    flood: int = 0
    events: tuple[Event, ...] = ()
    rounds: tuple[tuple[Event, ...], ...] = ()


@dataclass
class TinyRunner:
    """What a test sees of the runner: the calls it got, and when askers left."""

    socket: str
    script: Script = Script()
    idle: float = 0.0
    calls: list[Call] = field(default_factory=list)
    open: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    said: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    def behave(self, **script) -> None:
        """Change the script from the next request on."""
        self.script = replace(Script(), **script)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = await read_question(reader)
            match question:
                case Ask(call=call):
                    await self._ask(call, reader, writer)
                case Count(input=asked):
                    words = sum(len(m.content.split()) for m in asked.messages)
                    writer.write(frame(Counted(words + 50 * len(asked.tools))))
                case Drain():
                    writer.write(frame(Report(self._status(Phase.DRAINING))))
                case None:
                    return
                case Watch() | _:
                    writer.write(frame(Report(self._status(Phase.READY))))
        finally:
            writer.close()

    async def _ask(self, call, reader, writer) -> None:
        self.calls.append(call)
        self.asked.set()
        if self.script.refuse is not None:
            writer.write(frame(self.script.refuse))
            return
        self.open += 1
        answering = asyncio.ensure_future(self._answer(call, writer))
        leaving = asyncio.ensure_future(
            reader.read(1)
        )  # an asker says nothing more: it can only leave
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.hung_up.set()
        finally:
            self.open -= 1
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        script = self.script
        writer.write(frame(Admitted()))
        if script.hold:
            await self.release.wait()
        events = script.events
        if script.rounds:
            events, self.script = script.rounds[0], replace(script, rounds=script.rounds[1:])
        for event in events:
            writer.write(frame(event))
        if events:
            return
        if isinstance(call.input, Texts):
            vectors = (struct.pack("<2f", 0.6, 0.8),) * len(call.input.texts)
            writer.write(frame(Embedded(vectors, 2)))
            writer.write(frame(Finished("stop", Usage(prompt_tokens=7, completion_tokens=0))))
            return
        words = ["x"] * script.flood or _words(call, script.text)
        limit = len(words) if call.max_tokens is None else call.max_tokens
        writer.write(frame(Started(prompt_tokens=7)))
        for count, word in enumerate(words[:limit]):
            if count == script.hold_after:
                await self.release.wait()
            if count == script.die_after:
                return
            if count == script.fail_after:
                writer.write(frame(Trouble("engine_failed", "out of memory in step 3")))
                return
            writer.write(frame(TextDelta(word, _certain(word, call.logprobs))))
            await writer.drain()
            self.said.set()
        told = min(len(words), limit)
        reason = "length" if told < len(words) else "stop"
        writer.write(frame(Finished(reason, Usage(7, told))))

    def _status(self, phase: Phase) -> RunnerStatus:
        return RunnerStatus("chat", "u1", 1, 0.0, phase, "d1", idle=self.idle)


@asynccontextmanager
async def tiny_runner(socket, **script):
    """Run one on a socket path until the block ends."""
    runner = TinyRunner(str(socket), replace(Script(), **script))
    tasks: dict[asyncio.Task, asyncio.StreamWriter] = {}

    def serve(reader, writer):
        tasks[asyncio.create_task(runner.serve(reader, writer))] = writer

    server = await asyncio.start_unix_server(serve, str(socket))
    try:
        yield runner
    finally:
        server.close()
        for task, writer in tasks.items():
            task.cancel()
            writer.close()  # a task that never had its first turn closes nothing
        await asyncio.gather(*tasks, return_exceptions=True)


def _certain(word: str, logprobs: int | None) -> tuple[ChosenToken, ...]:
    if logprobs is None:
        return ()
    only = TokenChoice(len(word), word.encode(), 0.0)
    return (ChosenToken(only, (only,) * logprobs),)


def _words(call: Call, text: str | None) -> list[str]:
    if text is None:
        source = call.input
        text = source.messages[-1].content if isinstance(source, Chat) else source.text
    words = text.split(" ")
    return [word + " " for word in words[:-1]] + [words[-1]] if text else []
