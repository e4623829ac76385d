"""Starting the daemon in the background."""

import os
import subprocess
import sys
import time

from lmctl.adapters.home import Home
from lmctl.base.errors import LmctlError, Unreachable
from lmctl.cli.client import DaemonClient
from lmctl.cli.printer import Printer

START_DEADLINE = 20.0
_OTHER_DEADLINE = 5.0  # for a daemon somebody else has just started
_TICK = 0.05
_PATIENCE = 20.0  # seconds a daemon that was started to apply waits to be told what
_DAEMON = (sys.executable, "-m", "lmctl", "daemon", "run", "--on-exit", "keep")


def ensure_daemon(home: Home, printer: Printer, *, to_apply: bool = False) -> bool:
    """Start a daemon unless one answers; returns whether one was started.

    One that is started `to_apply` something begins nothing before it was told what.
    Raises LmctlError with the end of its log when it does not come up.
    """
    client = DaemonClient(home)
    try:
        client.status()
    except Unreachable:  # also when one is just starting: then ours gives way and we wait for it
        start_daemon(home, client, to_apply=to_apply)
        printer.note(f"daemon started, log: {home.logs / 'daemon.log'}")
        return True
    return False


def start_daemon(home: Home, client: DaemonClient, *, to_apply: bool = False) -> None:
    """Start one in a session of its own and wait until it answers."""
    home.prepare()
    path = home.logs / "daemon.log"
    with path.open("ab") as log:
        child = subprocess.Popen(
            [*_DAEMON, *(("--patience", f"{_PATIENCE:.0f}s") if to_apply else ())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LMCTL_LOG": "json"},
            start_new_session=True,
            cwd="/",
        )
    if _answers(home, client, child):
        return
    if home.holder() is not None:
        client.status()  # says who holds this home and does not answer
    last = path.read_text(errors="replace").splitlines()[-3:]
    raise LmctlError(f"the daemon did not start: {' | '.join(last)}", hint=f"see {path}")


def _answers(home: Home, client: DaemonClient, child: subprocess.Popen[bytes]) -> bool:
    """Wait until a daemon answers: our child, or another starter's that won the lock."""
    deadline = time.monotonic() + START_DEADLINE
    ended = False
    while time.monotonic() < deadline:
        if client.answers():
            return True
        if not ended and child.poll() is not None:
            ended = True
            deadline = min(deadline, time.monotonic() + _OTHER_DEADLINE)
        elif ended and home.holder() is None:
            return client.answers()
        time.sleep(_TICK)
    return False
