"""The daemon's process: holds the lock, serves the control socket, rings the bells, runs the loop."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import structlog
import uvicorn

from lmctl.adapters import log_files
from lmctl.adapters.home import Home
from lmctl.adapters.systemd import service_manager
from lmctl.api.leaving import reading_ends_with_the_client
from lmctl.base.periods import periods_of
from lmctl.base.spec import FailureKind
from lmctl.base.struct_types import settle
from lmctl.daemon.bells import ring
from lmctl.daemon.box import Box
from lmctl.daemon.control import create_app
from lmctl.daemon.faults import arm_from
from lmctl.daemon.marking import mark_for_ever
from lmctl.planning.desired import DesiredState
from lmctl.planning.outcome import Done, Failed
from lmctl.planning.plan import Planned
from lmctl.planning.planner import make_plan
from lmctl.reconciler.history import last_number

log = structlog.get_logger("lmctl.daemon")


async def run(home: Home, *, roots: list[str], keep: bool, patience: float = 0.0) -> None:
    """Serve until told to stop. `keep` leaves gateway and runners alive on SIGTERM.

    Nothing is begun before somebody applied, or `patience` seconds are over: who starts a daemon to
    apply a plan does not want the box to move first.

    Raises Refused when another daemon holds this home.
    """
    arm_from(os.environ)
    home.prepare()
    settle()
    with home.only_one():
        box = Box(home, service_manager(), periods=periods_of(os.environ))
        if roots:
            box.followed.follow(roots)
        _stop_on_signals(box, keep=keep)
        log.info("daemon started", pid=os.getpid(), home=str(home.root))
        box.recorder.woke()
        box.downloads.woke()
        if restored := box.history.restore(last_number(home.run)):
            message = f"the database was lost; {restored} generation(s) are known from their files"
            box.recorder.event("box", "Rebuilt", message, "warning")
        box.recorder.event("box", "DaemonStarted", f"pid {os.getpid()}")
        try:
            async with _control(box):
                box.manager.ready()
                async with asyncio.TaskGroup() as tasks:
                    loop = tasks.create_task(_reconcile(box, patience))
                    bells = tasks.create_task(ring(box))
                    vitals = tasks.create_task(box.vitals.run())
                    marks = tasks.create_task(mark_for_ever(home, box.eyes))
                    scrub = tasks.create_task(box.scrub.run())
                    logs = tasks.create_task(_bound_logs(box))
                    await box.stopping.wait()
                    box.manager.stopping()
                    for each in (loop, bells, vitals, scrub, marks, logs):
                        each.cancel()
                await box.settle()
                if not box.keep_running:
                    await _take_down(box)
        finally:
            await box.close()
            log.info("daemon stopped", kept=box.keep_running)


async def _reconcile(box: Box, patience: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await box.asked.wait()
    box.by_hand.woke(await box.observe(DesiredState(0)))
    await box.reconciler.run()


async def _bound_logs(box: Box) -> None:
    """Keep the logs of this box small, at once and then every resync, for ever."""
    while True:
        for path in await asyncio.to_thread(log_files.bound, box.home.logs):
            log.info("log was moved", log=path.name, to=f"{path.name}.1")
        await asyncio.sleep(box.periods.resync)


def _stop_on_signals(box: Box, *, keep: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: box.ask_to_stop(keep=keep))
    loop.add_signal_handler(signal.SIGHUP, box.again)
    loop.add_signal_handler(signal.SIGCHLD, box.child_ended)


@asynccontextmanager
async def _control(box: Box) -> AsyncIterator[None]:
    """Serve the control socket; only the owner can reach it."""
    path = box.home.control
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)  # before it listens: nobody else can have connected
    listener.listen(128)
    config = uvicorn.Config(
        reading_ends_with_the_client(create_app(box)),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign] # ours say what they mean
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
        path.unlink(missing_ok=True)


@contextmanager
def _no_signals() -> Iterator[None]:
    yield


async def take_down_alone(home: Home) -> int:
    """End what a dead daemon left running; returns how many processes there were.

    Raises Refused when a daemon lives after all.
    """
    home.prepare()
    with home.only_one():
        box = Box(home)
        try:
            return await _take_down(box)
        finally:
            await box.close()


async def _take_down(box: Box) -> int:
    """End everything of this box side by side, as a plan towards nothing says; count what ended."""
    nothing = DesiredState(0)
    steps = make_plan(nothing, await box.observe(nothing)).steps

    async def end(planned: Planned) -> bool:
        box.recorder.began(replace(planned, because="the box is taken down"), 0)
        try:
            outcome = await box.act(planned.step)
        except Exception as error:
            box.recorder.ended(planned, Failed(str(error), FailureKind.BUG))
            raise
        box.recorder.ended(planned, outcome)
        return isinstance(outcome, Done)

    endings = await asyncio.gather(*(end(each) for each in steps), return_exceptions=True)
    for planned, ending in zip(steps, endings, strict=True):
        if isinstance(ending, BaseException):
            log.error("step broke", step=planned.key, exc_info=ending)
    return sum(ending is True for ending in endings)
