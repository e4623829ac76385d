"""One at a time, across processes: a lock the kernel frees whatever happens to its holder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lmctl.base.errors import NotReady
from lmctl.base.quantities import format_duration


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Hold a lock while the block runs.

    Raises NotReady, saying who holds it and since when, when somebody does. `what` is what only one
    may do, in a person's words.
    """
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise NotReady(
                f"another {what} is under way {_holder(lock.read())}",
                hint="wait for it, or end it",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()} {time.time():.0f}")
        lock.flush()
        yield


def _holder(said: str) -> str:
    pid, _, since = said.partition(" ")
    if not (pid.isdigit() and since.isdigit()):
        return "(pid unknown)"
    return f"(pid {pid}, for {format_duration(max(0.0, time.time() - int(since)))})"
