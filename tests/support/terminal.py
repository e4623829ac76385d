"""A command in a terminal of its own, typed at and read as a person does."""

import os
import pty
import re
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PATIENCE = 60.0
CTRL_C, CTRL_D = "\x03", "\x04"
_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """`lmctl` with a terminal as stdin, stdout and stderr."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self.text = ""
        self._descriptor = descriptor

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def until(self, wanted: str) -> str:
        """Return what was shown since the last look, up to and with the wanted text."""
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.text:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, left))
            assert ready, f"{wanted!r} did not come: {self.text!r}"
            self.text = _STYLE.sub("", self.text + self._read())
        found, _, self.text = self.text.partition(wanted)
        return found + wanted

    def ended(self) -> int:
        """Return its exit code, once it has ended."""
        with suppress(EOFError):
            while True:
                self._read()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> str:
        try:
            content = os.read(self._descriptor, 65536)
        except OSError:  # Linux says so where the other end is gone
            content = b""
        if not content:
            raise EOFError(self.text)
        return content.decode(errors="replace")


@contextmanager
def terminal(*words: str, env: dict[str, str]) -> Iterator[Terminal]:
    """Run `lmctl` with these words in a terminal."""
    command = [sys.executable, "-m", "lmctl", *words]
    pid, descriptor = pty.fork()
    if pid == 0:  # pragma: no cover # the other process
        os.execve(command[0], command, {**os.environ, "TERM": "xterm", **env})  # noqa: S606 # what pty.fork is for
    try:
        yield Terminal(pid, descriptor)
    finally:
        os.close(descriptor)  # a hang-up ends whoever still reads it
