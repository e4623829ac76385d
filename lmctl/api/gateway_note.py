"""What the gateway says of itself: `gateway.json` in the run folder, there while it listens."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from lmctl.adapters.processes import identity_of

REPORT_FILE = "gateway.json"


def write(listeners: list[socket.socket], *, workers: int) -> None:
    """Report where we listen: the ports are the real ones when 0 was asked for.

    `started_at` is the start time the system keeps for the process, in unix seconds, so that a
    later daemon can tell this gateway from a stranger with the same pid. `shares` says that another
    process of this user could listen at the same port beside it.
    """
    identity = identity_of(os.getpid())
    if identity is None:
        raise RuntimeError("this process does not see itself in the process table")
    _put(
        {
            "pid": identity.pid,
            "started_at": identity.started_at,
            "binds": [_address(each.getsockname()) for each in listeners],
            "workers": workers,
            "shares": all(map(_shares, listeners)),
            "spec_digest": os.environ.get("LMCTL_GATEWAY_DIGEST", ""),
        }
    )


def put_workers(workers: int) -> None:
    """Report another number of workers, if the report is ours."""
    if (report := _read()) is not None and report["pid"] == os.getpid():
        digest = os.environ.get("LMCTL_GATEWAY_DIGEST", "")
        _put(report | {"workers": workers, "spec_digest": digest})


def take_back() -> None:
    """Remove the report, unless it is already another gateway's."""
    if (report := _read()) is not None and report["pid"] == os.getpid():
        _path().unlink(missing_ok=True)


def succeeded(pid: int) -> bool:
    """Say whether another gateway than the one with this master has taken its place."""
    report = _read()
    return report is not None and report["pid"] != pid


def _read() -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads(_path().read_bytes())
    except (FileNotFoundError, ValueError):  # gone, or no report of ours
        return None
    return report if "pid" in report else None


def _put(report: dict[str, Any]) -> None:
    path = _path()
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(report), encoding="utf-8")
    fresh.replace(path)


def _path() -> Path:
    return Path(os.environ["LMCTL_RUN"]) / REPORT_FILE


def _shares(listener: socket.socket) -> bool:
    if listener.family == socket.AF_UNIX:
        return False
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def _address(name: Any) -> str:
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
