"""The runner's process: `python -m lmctl.runner.main --spec …/spec.json`.

The socket comes first, so that loading can be watched; then one thread loads the weights and
owns the engine until the end. SIGTERM drains, a second one ends at once. It outlives whoever
started it, on purpose. Exits 0 after a drain and 1 when the engine failed; then `failure.json`
lies beside the spec.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
import structlog

from lmctl import logs
from lmctl.base.spec import FailureKind, Phase, RunnerSpec
from lmctl.base.struct_types import settle
from lmctl.runner.constraining import Constraining
from lmctl.runner.embedding import EmbeddingScheduler
from lmctl.runner.engines import open_drafters, open_engine, refuse_drafter
from lmctl.runner.loop import Loop
from lmctl.runner.port import EmbeddingEngine, Engine, LoadFailed, Saving
from lmctl.runner.saved_prefixes import SavedPrefixes, key_of
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.server import Loaded, Server
from lmctl.runner.weights import verify

LAST_STEP: Final = 2.0
"""Seconds the engine's thread has to finish its step before the process ends without it."""

ORPHAN_PERIOD: Final = 2.0
"""Seconds between two looks at whether the runner's folder is still there."""

log = structlog.get_logger("lmctl.runner")


class Runner:
    """One process: the server on the event loop, the engine on its own thread.

    `folder` is an open descriptor: it stays the runner's folder when its instance is renamed.
    """

    def __init__(self, spec: RunnerSpec, folder: int) -> None:
        self._spec = spec
        self._folder = folder
        self._server = Server(spec)
        self._loop = asyncio.get_running_loop()
        self._scheduler: Loop[Any] | None = None
        self._called_off = threading.Event()
        self._engine = threading.Thread(target=self._own_engine, name="engine", daemon=True)

    async def run(self) -> int:
        """Serve until drained or failed; return the exit code."""
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        self._loop.add_signal_handler(signal.SIGINT, self._terminate)
        await self._server.listen()
        self._server.board.move(Phase.LOADING)
        self._engine.start()
        orphaned = asyncio.create_task(self._end_when_orphaned())
        await self._server.finished.wait()
        orphaned.cancel()
        self._called_off.set()
        failed = self._server.board.phase is Phase.FAILED
        await self._server.close()
        if self._scheduler is not None:
            self._scheduler.stop()
        await asyncio.to_thread(self._engine.join, LAST_STEP)
        log.info("ended", failed=failed)
        return int(failed)

    async def _end_when_orphaned(self) -> None:
        """Drain once our folder is gone: nobody can find us any more, and another may be in our place.

        A daemon that was killed right after starting us leaves no note, so its successor may start
        a second one; it makes the folder afresh, and this one gives way.
        """
        while _is_there(self._folder, "spec.json"):  # noqa: ASYNC110 # nothing rings when it goes
            await asyncio.sleep(ORPHAN_PERIOD)
        log.warning("its folder is gone, so it ends")
        self._server.drain(self._spec.max_drain)

    def _terminate(self) -> None:
        again = self._server.board.phase is Phase.DRAINING
        self._server.drain(0.0 if again else self._spec.max_drain)

    def _own_engine(self) -> None:
        """Load, serve, close: the engine's whole life, on its thread."""
        with ExitStack() as opened:
            try:
                loaded = self._open(opened)
            except LoadFailed as error:
                self._fail(error.kind, _words(error))
                return
            except Exception as error:
                log.exception("load failed")
                self._fail(FailureKind.BUG, f"the engine failed to load: {error!r}")
                return
            try:
                with self._keeping_prefixes(loaded):
                    self._in_loop(self._server.ready)(loaded)
                    loaded.scheduler.run()
            except Exception as error:
                log.exception("engine failed")
                self._fail(FailureKind.BUG, f"the engine failed: {error}")

    def _open(self, opened: ExitStack) -> Loaded:
        """Load what the spec names; `opened` closes it. Raises LoadFailed."""
        weights = verify((*self._spec.weights, *self._spec.draft))
        engine = open_engine(self._spec, progress=self._progress)
        opened.callback(engine.close)
        self._scheduler = self._scheduled(engine, opened)
        constraining = None
        if not isinstance(engine, EmbeddingEngine):
            constraining = Constraining(engine)
            opened.callback(constraining.close)
        return Loaded(engine, constraining, self._scheduler, weights)

    @contextmanager
    def _keeping_prefixes(self, loaded: Loaded) -> Iterator[None]:
        """Begin with what the last runner had read, and leave it to the next one, if that is wished."""
        engine, scheduler = loaded.engine, loaded.scheduler
        if not (self._spec.load.keep_prefixes and isinstance(scheduler, Scheduler)):
            yield
            return
        if not isinstance(engine, Saving):
            log.warning("without effect: this engine saves no prefixes", engine=self._spec.engine)
            yield
            return
        key = key_of(self._spec, loaded.weights, engine.saved_as)
        saved = SavedPrefixes(Path(self._spec.prefixes), key, engine)
        scheduler.take_in(saved)
        yield
        try:
            scheduler.save(saved)
        except OSError as error:
            log.warning("prefixes could not be saved", error=str(error))

    def _scheduled(self, engine: Engine | EmbeddingEngine, opened: ExitStack) -> Loop[Any]:
        """Return what moves requests through the engine, with all that guesses for it."""
        told = self._in_loop(self._server.dispatch)
        if isinstance(engine, EmbeddingEngine):
            refuse_drafter(self._spec)
            return EmbeddingScheduler(engine, told)
        drafters = open_drafters(self._spec, engine, progress=self._progress)
        for each in drafters:
            opened.callback(each.close)
        return Scheduler(engine, told, drafters=drafters)

    def _progress(self, share: float) -> bool:
        self._loop.call_soon_threadsafe(self._server.board.load, share)
        return not self._called_off.is_set()

    def _fail(self, kind: FailureKind, reason: str) -> None:
        if self._called_off.is_set():
            return  # told to end while loading: not a failure
        _leave(self._folder, "failure.json", {"kind": kind, "reason": reason})
        log.error("failed", kind=kind.value, reason=reason)
        self._in_loop(self._server.fail)(kind, reason)

    def _in_loop(self, act: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any) -> None:
            self._loop.call_soon_threadsafe(act, *args)

        return call


def _words(error: LoadFailed) -> str:
    return f"{error}; {error.hint}" if error.hint else str(error)


def note_process(folder: int) -> None:
    """Leave `process.json` at once, so that whoever started us may die before writing it down."""
    me = psutil.Process()
    _leave(folder, "process.json", {"pid": me.pid, "started_at": me.create_time()})


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _read(folder: int, name: str) -> bytes:
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as source:
        return source.read()


def _leave(folder: int, name: str, content: dict[str, Any]) -> None:
    """Write a file for whoever looks after the process is gone; never half of it."""
    staged = f"{name}.{os.getpid()}"
    file = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600, dir_fd=folder)
    with os.fdopen(file, "wb") as sink:
        sink.write(msgspec.json.encode(content))
    os.replace(staged, name, src_dir_fd=folder, dst_dir_fd=folder)


async def _serve(spec: RunnerSpec, folder: int) -> int:
    return await Runner(spec, folder).run()


def main() -> None:
    """Read the spec, serve it, exit."""
    parser = argparse.ArgumentParser(prog="lmctl-runner", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="the RunnerSpec as JSON")
    path: Path = parser.parse_args().spec
    try:
        # The folder first: a spec that is read through it is never that of a successor.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        spec = msgspec.json.decode(_read(folder, path.name), type=RunnerSpec)
        note_process(folder)
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(f"error: {path} is no runner spec: {error}")
    logs.configure(runner=spec.name)
    settle()
    code = asyncio.run(_serve(spec, folder))
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a thread stuck in native code would keep the process, and its memory, alive.
    os._exit(code)


if __name__ == "__main__":
    main()
