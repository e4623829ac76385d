"""Crashes on request, for tests: `LMCTL_FAULT=POINT:kill` ends the daemon there with SIGKILL.

`POINT:kill:3` waits for the third time, `POINT:full` fails there as a full disk does. Points are in
`base/faults`. Refused unless `LMCTL_FAULTS=1` is set too: nobody arms this by accident.
"""

import errno
import os
import signal
from collections.abc import Callable, Mapping
from threading import Lock

from lmctl.base.errors import Refused
from lmctl.base.faults import POINTS, arm


def arm_from(environment: Mapping[str, str]) -> None:
    """Arm what the environment asks for, if it does.

    Raises Refused when it is not allowed to, or asks for what there is not.
    """
    wanted = environment.get("LMCTL_FAULT", "")
    if not wanted:
        return
    if environment.get("LMCTL_FAULTS") != "1":
        hint = "unset LMCTL_FAULT; in a test of lmctl itself, set LMCTL_FAULTS=1 too"
        raise Refused(f"LMCTL_FAULT={wanted} would break this daemon on purpose", hint=hint)
    name, _, rest = wanted.partition(":")
    kind, _, times = rest.partition(":")
    if name not in POINTS or kind not in _KINDS or not (times or "1").isdigit():
        hint = f"POINT:kill, POINT:full or POINT:kill:3; points: {', '.join(POINTS)}"
        raise Refused(f"LMCTL_FAULT={wanted} is no fault", hint=hint)
    arm(_at(name, int(times or "1"), _KINDS[kind]))


def _at(name: str, times: int, act: Callable[[], None]) -> Callable[[str], None]:
    left, lock = times, Lock()  # points are met by threads too

    def handler(here: str) -> None:
        nonlocal left
        if here != name:
            return
        with lock:
            left -= 1
            due = left == 0
        if due:
            act()

    return handler


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_KINDS: dict[str, Callable[[], None]] = {"kill": _kill, "full": _full}
