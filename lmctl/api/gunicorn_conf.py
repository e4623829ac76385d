"""How gunicorn runs the gateway: every setting with its reason.

A module of gunicorn settings, read by `lmctl.api.main`; also usable by hand as
`gunicorn -c python:lmctl.api.gunicorn_conf lmctl.api.main:app`.
"""

import os
import socket
import sys
from typing import Any

from lmctl.adapters.metrics import sharing
from lmctl.api import gateway_note, logs

worker_class = "lmctl.api.worker.GatewayWorker"  # gunicorn's ASGI worker, with an end of its own
asgi_loop = "auto"  # uvloop where there is one
asgi_lifespan = "off"  # the app owns nothing that must be opened or closed
http_parser = "python"  # the C parser's newest release mis-frames some bodies
backlog = 2048  # connections that may wait to be accepted
preload_app = False  # a hang-up signal starts workers with fresh code
control_socket_disable = True  # by default it would lie in the user's home
accesslog = None  # the app writes its own line, with the model and the tokens
logconfig_dict = logs.for_gunicorn()
# Seconds; well beyond what clients keep theirs (httpx 5, aiohttp 15, Go 90), or a request that is
# just sent meets a connection that is just closed. An end does not wait for it (api/worker.py).
keepalive = 120
graceful_timeout = 30  # seconds a running stream may take to finish
timeout = 30  # seconds a worker's loop may be blocked
# Every worker touches a file here once a second. Nothing is written outside the run folder.
worker_tmp_dir = os.environ.get("LMCTL_RUN")


def when_ready(arbiter: Any) -> None:
    """Report where we listen, once we do, and let a successor listen there beside us.

    A socket that was bound alone may be shared afterwards (Linux; elsewhere this has no effect).
    Only who asks for it shares: a second gateway that is started at this port finds it taken.
    """
    sockets = [each.sock for each in arbiter.LISTENERS]
    if sys.platform == "linux":
        for each in sockets:
            if each.family != socket.AF_UNIX:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    gateway_note.write(sockets, workers=arbiter.num_workers)


def nworkers_changed(_arbiter: Any, count: int, before: int | None) -> None:
    """Report how many workers there are, when that is another number (SIGTTIN, SIGTTOU)."""
    if before is not None and count != before:
        gateway_note.put_workers(count)


def child_exit(_arbiter: Any, worker: Any) -> None:
    """Take back what a worker that is gone had in flight."""
    sharing.forget(worker.pid)


def on_exit(_arbiter: Any) -> None:
    """Take the report back, and the shared counts."""
    sharing.unshare()
    gateway_note.take_back()
