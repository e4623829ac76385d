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
_TICK = 0.05


def ensure_daemon(home: Home, printer: Printer) -> bool:
    """Start a daemon unless one answers; returns whether one was started.

    Raises LmctlError with the end of its log when it does not come up.
    """
    client = DaemonClient(home)
    try:
        client.status()
    except Unreachable:
        start_daemon(home, client)
        printer.note(f"daemon started, log: {home.logs / 'daemon.log'}")
        return True
    return False


def start_daemon(home: Home, client: DaemonClient) -> None:
    """Start one in a session of its own and wait until it answers."""
    home.prepare()
    path = home.logs / "daemon.log"
    with path.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "lmctl", "daemon", "run", "--on-exit", "keep"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "LMCTL_LOG": "json"},
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline and child.poll() is None:
        try:
            client.status()
        except Unreachable:
            time.sleep(_TICK)
        else:
            return
    last = path.read_text(errors="replace").splitlines()[-3:]
    raise LmctlError(f"the daemon did not start: {' | '.join(last)}", hint=f"see {path}")
