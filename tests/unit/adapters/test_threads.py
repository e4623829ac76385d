"""Blocking work and cancelled callers."""

import asyncio
import threading

import pytest

from lmctl.adapters.weights.threads import abandonable, interruptible, settled


async def started(task, event):
    assert await asyncio.to_thread(event.wait, 10)
    task.cancel()


async def test_settled_work_is_finished_before_the_caller_leaves():
    running, go, done = threading.Event(), threading.Event(), threading.Event()

    def work():
        running.set()
        go.wait(10)
        done.set()

    task = asyncio.create_task(settled(work))
    await started(task, running)
    asyncio.get_running_loop().call_soon(go.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_interruptible_work_stops_when_its_caller_leaves():
    running, ended = threading.Event(), threading.Event()

    def work(check):
        try:
            while True:
                running.set()
                check()
        finally:
            ended.set()

    task = asyncio.create_task(interruptible(work))
    await started(task, running)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_abandonable_work_does_not_hold_its_caller():
    running, go = threading.Event(), threading.Event()

    def work():
        running.set()
        go.wait(10)

    task = asyncio.create_task(abandonable(work))
    await started(task, running)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not go.is_set()
    go.set()


async def test_results_and_errors_come_through():
    def fail():
        raise ValueError("no")

    assert await settled(int, "3") == 3
    assert await abandonable(int, "3") == 3
    for run in (settled, abandonable):
        with pytest.raises(ValueError, match="no"):
            await run(fail)
