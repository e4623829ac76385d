"""How gunicorn runs the gateway: every setting with its reason.

A module of gunicorn settings, read by `lmctl.api.main`; also usable by hand as
`gunicorn -c python:lmctl.api.gunicorn_conf lmctl.api.main:app`.
"""

import json
import os
from pathlib import Path
from typing import Any

from lmctl.adapters.metrics import sharing
from lmctl.adapters.processes import identity_of
from lmctl.api import logs

REPORT_FILE = "gateway.json"

worker_class = "asgi"  # gunicorn's own ASGI worker
asgi_loop = "auto"  # uvloop where there is one
asgi_lifespan = "off"  # the app owns nothing that must be opened or closed
http_parser = "python"  # the C parser's newest release mis-frames some bodies
backlog = 2048  # connections that may wait to be accepted
preload_app = False  # a hang-up signal starts workers with fresh code
control_socket_disable = True  # by default it would lie in the user's home
accesslog = None  # the app writes its own line, with the model and the tokens
logconfig_dict = logs.for_gunicorn()
keepalive = (
    6  # seconds; longer than clients keep theirs (httpx: 5), short because a shutdown waits for it
)
graceful_timeout = 30  # seconds a running stream may take to finish
timeout = 30  # seconds a worker's loop may be blocked
# Every worker touches a file here once a second. Nothing is written outside the run folder.
worker_tmp_dir = os.environ.get("LMCTL_RUN")


def when_ready(arbiter: Any) -> None:
    """Report where we listen, once we do: the ports are the real ones when 0 was asked for.

    `started_at` is the start time the system keeps for the process, in unix seconds, so that a
    later daemon can tell this gateway from a stranger with the same pid.
    """
    identity = identity_of(os.getpid())
    if identity is None:
        raise RuntimeError("this process does not see itself in the process table")
    report = {
        "pid": identity.pid,
        "started_at": identity.started_at,
        "binds": [_address(listener.sock.getsockname()) for listener in arbiter.LISTENERS],
        "workers": arbiter.num_workers,
        "spec_digest": os.environ.get("LMCTL_GATEWAY_DIGEST", ""),
    }
    path = _report_path()
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(report), encoding="utf-8")
    fresh.replace(path)


def child_exit(_arbiter: Any, worker: Any) -> None:
    """Take back what a worker that is gone had in flight."""
    sharing.forget(worker.pid)


def on_exit(_arbiter: Any) -> None:
    """Take the report back, unless it is already another gateway's, and the shared counts."""
    sharing.unshare()
    path = _report_path()
    try:
        if json.loads(path.read_bytes())["pid"] == os.getpid():
            path.unlink()
    except (FileNotFoundError, ValueError):  # gone, or no report of ours
        return


def _report_path() -> Path:
    return Path(os.environ["LMCTL_RUN"]) / REPORT_FILE


def _address(name: Any) -> str:
    if not isinstance(name, tuple):
        return f"unix:{name}"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
