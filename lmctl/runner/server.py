"""The runner's unix socket: questions in, frames out, and the door that decides who comes in."""

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import structlog

from lmctl import logs
from lmctl.base.errors import EngineFailed, LmctlError, NotReady
from lmctl.base.spec import FailureKind, Phase, RunnerSpec
from lmctl.base.talk import Call, Chat, Prompt
from lmctl.runner import prompting, wire
from lmctl.runner.admission import Admission
from lmctl.runner.connection import say, until_gone
from lmctl.runner.constraining import Constraining
from lmctl.runner.following import Followers
from lmctl.runner.loop import Loop, Task, Turn
from lmctl.runner.meter import Meter
from lmctl.runner.outbox import Outbox
from lmctl.runner.port import EmbeddingEngine, Engine
from lmctl.runner.status import Board
from lmctl.runner.trouble import trouble
from lmctl.runner.watchdog import Watchdog

QUESTION_TIMEOUT: Final = 30.0
GOODBYE_TIMEOUT: Final = 2.0

Made = TypeVar("Made")

log = structlog.get_logger("lmctl.runner")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is there once loading is done."""

    engine: Engine | EmbeddingEngine
    constraining: Constraining | None
    scheduler: Loop[Any]
    weights: tuple[str, ...]


class Server:
    """Answers over the socket. Everything in it runs on the event loop; the engine runs elsewhere."""

    def __init__(self, spec: RunnerSpec) -> None:
        self._spec = spec
        self._admission = Admission(spec.name, queue=spec.queue)
        self._loaded: Loaded | None = None
        self._asks: dict[Task, Outbox] = {}
        self._connections: set[asyncio.Task[Any]] = set()
        self._prompts = ThreadPoolExecutor(2, thread_name_prefix="prompt")
        self._running = 0
        self._meter = Meter()
        self._followers = Followers()
        self._draining: asyncio.TimerHandle | None = None
        self._listener: asyncio.Server | None = None
        self._inode = 0
        self.board = Board(spec)
        self.finished = asyncio.Event()
        self._watchdog = Watchdog(
            spec.hang_after, progress=self._progress, busy=self._busy, tell=self._hung
        )

    async def listen(self) -> None:
        """Bind the socket, for this user only; one left behind by a dead runner is replaced."""
        # Asyncio itself removes a stale socket; the umask is there from the first moment on.
        umask = os.umask(stat.S_IXUSR | stat.S_IRWXG | stat.S_IRWXO)
        try:
            self._listener = await asyncio.start_unix_server(self._connected, self._spec.socket)
        finally:
            os.umask(umask)
        self._inode = _inode(self._spec.socket)

    def ready(self, loaded: Loaded) -> None:
        """Open the door, to all or to whoever proves it, unless it was told to close while loading."""
        self._loaded = loaded
        facts = loaded.engine.facts
        sequences = 1 if self._spec.load.unified_kv else facts.slots
        kept = 0 if facts.kind == "embedding" else sequences * facts.context_length
        self._meter = Meter(room=kept)
        self._admission.prepare(facts.slots)
        if not self._spec.prove:
            self._admission.open()
        phase = Phase.PROVING if self._spec.prove else Phase.READY
        if self._draining:
            phase = Phase.DRAINING
        self.board.move(
            phase,
            weights=loaded.weights,
            progress=1.0,
            parallel=facts.slots,
            context_length=facts.context_length,
            kind=facts.kind,
            memory_loaded=self.board.status().memory,
        )
        log.info("loaded", model=self._spec.model, slots=facts.slots, context=facts.context_length)

    def open(self) -> None:
        """Let clients in: it was proven. Without effect while it loads and once it drains."""
        if self.board.phase is Phase.PROVING:
            self._admission.open()
            self.board.move(Phase.READY)
            log.info("open to clients")

    def rename(self, name: str) -> None:
        """Call itself by another name in everything it says and logs."""
        log.info("renamed", before=self._spec.name, now=name)
        self._spec = msgspec.structs.replace(self._spec, name=name)
        self._admission.name = name
        self.board.rename(name)
        logs.say_always(runner=name)

    def fail(self, kind: FailureKind, reason: str) -> None:
        """Tell everyone that the engine is gone, and end."""
        self._admission.close()
        self.board.fail(kind, reason)
        self._abandon(reason)

    def drain(self, seconds: float) -> None:
        """Take no new requests; end when the last is done, or after `seconds` at the latest."""
        loop = asyncio.get_running_loop()
        if self._draining is None:
            log.info("draining", seconds=seconds, inside=self._admission.inside)
            self._admission.close()
            if self.board.phase is not Phase.FAILED:
                self.board.move(Phase.DRAINING)
        elif loop.time() + seconds < self._draining.when():
            self._draining.cancel()
        else:
            return
        reason = f"the instance was unloaded: {self._spec.name} did not finish within {seconds:g} s"
        self._draining = loop.call_later(seconds, self._abandon, reason)
        self._end_if_idle()

    def dispatch(self, turn: Turn) -> None:
        """Hand out what one step made."""
        for output in turn.outputs:
            outbox = self._asks[output.job]
            outbox.put(*output.events, last=output.ended and output.error is None)
            self._followers.made(output)
            if output.error is not None:
                outbox.put(trouble(output.error), last=True)
            if output.ended:
                self._ended(output.job)
        self._running = turn.running
        self.board.did(self._meter.add(turn))
        self.board.widen(turn.widest)
        self._count(tokens=turn.tokens)
        self._end_if_idle()

    async def close(self) -> None:
        """Let everyone hear their last frame, then shut the socket."""
        self._watchdog.stop()
        if self._listener is not None:
            self._listener.close()
        self._unlink()
        self.board.close()
        if self._connections:
            await asyncio.wait(self._connections, timeout=GOODBYE_TIMEOUT)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._prompts.shutdown(wait=False, cancel_futures=True)

    def _unlink(self) -> None:
        """Remove the socket file, if it is still ours and not already a successor's."""
        if self._inode and _inode(self._spec.socket) == self._inode:
            Path(self._spec.socket).unlink()

    def _abandon(self, reason: str) -> None:
        for outbox in self._asks.values():
            outbox.put(trouble(EngineFailed(reason)), last=True)
        self.finished.set()

    def _end_if_idle(self) -> None:
        if self._draining is not None and self._admission.inside == 0:
            self._draining.cancel()
            self.finished.set()

    def _count(self, *, requests: int = 0, tokens: int = 0) -> None:
        inside = self._admission.inside
        self.board.count(running=self._running, inside=inside, requests=requests, tokens=tokens)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - streams run this callback as a task
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
            writer.close()
            await writer.wait_closed()  # the process may end once this is over: all must be out
        except ConnectionError as error:
            log.debug("asker left", error=str(error))
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT):
                question = await wire.read_question(reader)
        except (msgspec.DecodeError, ValueError, TimeoutError) as error:
            await say(writer, wire.Trouble("bad_request", f"expected a question: {error}"))
            return
        match question:
            case wire.Ask(call, proof):
                await until_gone(self._answer(call, writer, proof=proof), reader)
            case wire.Watch():
                await until_gone(self._report(writer), reader)
            case wire.Follow():
                await until_gone(self._followers.tell(writer), reader)
            case wire.Count(asked):
                await say(writer, await self._counted(asked))
            case None:
                return
            case _:
                self._obey(question)
                await say(writer, wire.Report(self.board.status()))

    def _obey(self, wish: wire.Status | wire.Drain | wire.Open | wire.Rename) -> None:
        match wish:
            case wire.Drain(seconds):
                self.drain(seconds)
            case wire.Open():
                self.open()
            case wire.Rename(name):
                self.rename(name)

    async def _counted(self, asked: Chat | Prompt) -> wire.Answer:
        loaded = self._loaded
        if loaded is None:
            return trouble(NotReady(f"{self._spec.name} is still loading"))
        count = partial(
            prompting.tokens_of,
            loaded.engine,
            asked,
            chat_template=self._spec.load.chat_template,
            now=datetime.now().astimezone(),
        )
        try:
            tokens = await self._prompted(count)
        except LmctlError as error:
            return trouble(error)
        self._count()  # who is asked is not idle
        return wire.Counted(len(tokens))

    async def _report(self, writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(self.board.reports()) as reports:
            async for status in reports:
                await say(writer, wire.Report(status))

    async def _answer(self, call: Call, writer: asyncio.StreamWriter, *, proof: bool) -> None:
        try:
            waiting = self._admission.admit(call.queue, proof=proof)
            job, loaded = await self._prepared(call)
        except LmctlError as error:
            log.info("refused", request=call.id, error=str(error))
            await say(writer, trouble(error))
            return
        log.info("admitted", request=call.id, prompt_tokens=job.prompt_tokens, waiting=waiting)
        outbox = self._asks[job] = Outbox(writer)
        # Out before the engine knows: an asker who never read this knows that nothing was begun.
        writer.write(wire.frame(wire.Admitted(waiting)))
        loaded.scheduler.submit(job)
        if not proof:
            self._followers.given(job)
        self._watchdog.wake()
        try:
            await outbox.write_all()
        finally:
            if job in self._asks:
                log.info("asker left", request=call.id)
                loaded.scheduler.cancel(job)

    async def _prepared(self, call: Call) -> tuple[Task, Loaded]:
        """Return the call as a job; the place claimed for it is given back if it becomes none."""
        loaded = self._loaded
        assert loaded is not None  # noqa: S101 - nobody is admitted before
        self._count(requests=1)
        patience = call.queue_deadline
        prepare = partial(
            prompting.prepare,
            loaded.engine,
            call,
            constraining=loaded.constraining,
            load=self._spec.load,
            now=datetime.now().astimezone(),
            deadline=time.monotonic()
            + (self._spec.queue_deadline if patience is None else patience),
        )
        try:
            job = await self._prompted(prepare, request=call.id)
        except BaseException:
            self._release()
            raise
        return job, loaded

    async def _prompted(self, work: Callable[[], Made], *, request: str = "") -> Made:
        """Return what a thread makes of a prompt; a surprise there is a failure of the engine."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._prompts, work)
        except LmctlError:
            raise
        except Exception as error:
            log.exception("prompt failed", request=request)
            raise EngineFailed(f"the prompt could not be prepared: {error!r}") from error

    def _progress(self) -> int:
        return self._loaded.scheduler.progress if self._loaded is not None else 0

    def _busy(self) -> str:
        """Return who the engine has to answer, empty for nobody."""
        waiting = len(self._asks) - self._running
        queued = f", {waiting} queued" if waiting > 0 else ""
        return f"{self._running} running{queued}" if self._asks else ""

    def _hung(self, words: str | None) -> None:
        log.warning("engine hangs" if words else "engine moves again", why=words)
        self.board.hang(words)

    def _ended(self, job: Task) -> None:
        del self._asks[job]
        log.info("ended", request=job.id, tokens=job.produced)
        self._admission.release()

    def _release(self) -> None:
        self._admission.release()
        self._count()
        self._end_if_idle()


def _inode(path: str) -> int:
    """Return the number of the file at a path, 0 if there is none."""
    try:
        return Path(path).stat().st_ino
    except FileNotFoundError:
        return 0
