"""A bell when something in a folder may have changed.

A bell has no content: whoever hears it looks at everything again, so one too many does no harm and
a resync makes up for one too few.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

_QUIET_MILLISECONDS: Final = 100
"""Nothing must have changed for so long, so that an edit of several files is read as one;"""
_UPPER_BOUND_MILLISECONDS: Final = 2000
"""but whoever writes without end does not keep the bell from ringing."""
_STAT_SECONDS: Final = 2.0


async def bells(roots: Sequence[Path]) -> AsyncIterator[None]:
    """Yield whenever something below a root may have changed, and once when watching has begun.

    So nothing is missed between a scan made at a bell and the next bell. A root that is swapped,
    moved, deleted or created again rings too. Raises what the watcher raises (for example when
    the system has no more watches to give); the caller's resync still finds changes then.
    """
    bell = asyncio.Event()
    watchers = [asyncio.create_task(_follow(root, bell.set)) for root in roots]
    for watcher in watchers:
        watcher.add_done_callback(lambda _: bell.set())
    try:
        while True:
            await bell.wait()
            bell.clear()
            for watcher in watchers:
                if watcher.done():
                    watcher.result()
            yield
    finally:
        await _cancel(watchers)


async def state_bells(folders: Sequence[Path], files: Sequence[Path]) -> AsyncIterator[None]:
    """Yield whenever something in our own folders, or one of the files elsewhere, may have changed.

    They are made where they are missing, and again when somebody deletes them: what was in one is
    missed anyway. What is written aside first, under a hidden name, does not ring.
    """
    names = {str(each) for each in files}
    tops = [str(each) for each in (*folders, *dict.fromkeys(each.parent for each in files))]

    def wanted(_change: Change, path: str) -> bool:
        within = any(path == top or path.startswith(f"{top}/") for top in map(str, folders))
        return path in names or path in tops or (within and not Path(path).name.startswith("."))

    while True:
        for top in tops:
            os.makedirs(top, exist_ok=True)  # noqa: PTH103 # one mkdir
        async for changes in _watch(tops, wanted, recursive=True):
            yield
            if any(change is Change.deleted and path in tops for change, path in changes):
                break


class _Rearm(Exception):  # a turn of events, no error
    """Another folder may have taken the place of the one we watch."""


async def _follow(root: Path, ring: Callable[[], None]) -> None:
    """Watch one root for ever: again from the start whenever another folder takes its place."""
    while True:
        identity = _identity(root)
        pumps = [asyncio.create_task(each) for each in _pumps(root, ring)]
        await asyncio.sleep(0)  # a pump that has come to its first wait is watching
        ring()
        try:
            while _identity(root) == identity:
                if pumps:
                    ended, _ = await asyncio.wait(
                        pumps, timeout=_STAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    if ended:
                        break
                else:
                    await asyncio.sleep(_STAT_SECONDS)
        finally:
            await _cancel(pumps)
        ring()
        for pump in pumps:
            _raise_unless_expected(pump)


def _pumps(root: Path, ring: Callable[[], None]) -> Iterator[Coroutine[None, None, None]]:
    """Yield the two watches of a root: all below it, and its own name in the folder above.

    The folder above is watched without what is below it, for it may be a home folder or /tmp.
    """
    above = Path(os.path.realpath(root.absolute().parent))
    own = str(above / root.name)
    if root.is_dir():
        yield _inside(Path(os.path.realpath(root)), ring)
    if above.is_dir() and root.absolute().name:
        yield _name(above, own)


async def _inside(folder: Path, ring: Callable[[], None]) -> None:
    """Ring at changes below a folder. Ends when the folder itself goes or a link below it moves."""
    prefix = len(str(folder)) + 1
    async for changes in _watch([folder], lambda _, path: _visible(path[prefix:]), recursive=True):
        ring()
        for change, path in changes:
            linked = change is Change.added and os.path.islink(path)  # noqa: PTH114, ASYNC240 # one lstat
            if linked or path == str(folder):
                raise _Rearm


async def _name(above: Path, own: str) -> None:
    """End when the entry `own` of a folder changes."""
    async for _ in _watch([above], lambda _, path: path == own, recursive=False):
        raise _Rearm


def _watch(
    folders: Sequence[Path | str], wanted: Callable[[Change, str], bool], *, recursive: bool
) -> AsyncGenerator[set[tuple[Change, str]], None]:
    return awatch(
        *folders,
        watch_filter=wanted,
        step=_QUIET_MILLISECONDS,
        debounce=_UPPER_BOUND_MILLISECONDS,
        recursive=recursive,
        ignore_permission_denied=True,
    )


def _visible(path: str) -> bool:
    """Say whether a path below a root matters: no dot-folders (.git, a state folder of ours),
    but the `..data` of a mounted ConfigMap, which is the only thing there that ever changes.
    """
    return not any(each.startswith(".") and not each.startswith("..") for each in path.split("/"))


def _identity(root: Path) -> tuple[str, int, int] | None:
    """Return which folder a root is right now, or None if it is none."""
    try:
        status = root.stat()
    except OSError:
        return None
    return os.path.realpath(root), status.st_dev, status.st_ino


def _raise_unless_expected(pump: asyncio.Task[None]) -> None:
    if pump.cancelled():
        return
    error = pump.exception()
    # FileNotFoundError: the folder went between our look and the watch.
    if error is not None and not isinstance(error, _Rearm | FileNotFoundError):
        raise error


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
