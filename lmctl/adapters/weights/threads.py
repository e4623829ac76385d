"""Blocking work beside the event loop, in the two ways it can end when the caller is cancelled."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Interrupted(Exception):
    """Raised by long work that was told to stop."""


async def settled(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run short blocking work in a thread; a cancelled caller waits until the thread is done.

    Files stay whole this way: nobody closes or renames one while a thread still writes to it.
    """
    return await _whole(asyncio.to_thread(function, *args, **kwargs), threading.Event())


async def interruptible(
    function: Callable[Concatenate[Callable[[], None], P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run long blocking work in a thread; a cancelled caller makes it stop and waits for that.

    The work gets a function to call between pieces, which raises when it should stop.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Interrupted

    return await _whole(asyncio.to_thread(function, check, *args, **kwargs), stop)


async def interruptible_on(
    executor: Executor,
    function: Callable[Concatenate[Callable[[], None], P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Do as `interruptible` does, in a thread of the caller's own."""
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Interrupted

    work = partial(function, check, *args, **kwargs)
    return await _whole(asyncio.get_running_loop().run_in_executor(executor, work), stop)


async def _whole(running: Awaitable[T], stop: threading.Event) -> T:
    work = asyncio.ensure_future(running)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # looked at, so that asyncio does not report it as lost
        raise


async def abandonable(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work that may hang; a cancelled caller leaves it to end by itself.

    It has a daemon thread of its own, so it can neither fill the shared pool nor hold the process.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return  # the caller left
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        caught: BaseException | None = None
        try:
            result = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            caught = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, result, caught)

    threading.Thread(target=work, name="abandonable", daemon=True).start()
    return await future
