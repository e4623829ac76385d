"""The gateway's process: `python -m lmctl.api.main --bind 127.0.0.1:1234 --workers 1`.

Settings come from the environment, because workers are forked and reloaded by gunicorn:

    LMCTL_RUN              the folder of surface.json and health.json (needed)
    LMCTL_GATEWAY_DIGEST   the digest of what this gateway was started for, told in gateway.json
    LMCTL_CONVERSATIONS    the file of stored conversations, by default in that folder; what is
                           written in the background is noted beside it
    LMCTL_LOG=json         JSON log lines

Workers share what they count in a folder beside those files, which goes when the gateway ends.

The app is imported in the workers only: the master stays small, and a hang-up signal (SIGHUP)
starts new workers with the code of today. SIGTERM lets running streams finish.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.util import parse_address

from lmctl.adapters.metrics import sharing
from lmctl.api import gunicorn_conf
from lmctl.api.worker import Master


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve one ASGI call; the app behind it is built from the environment by the first one."""
    await _built()(scope, receive, send)


class GatewayServer(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with our settings; its command line and its configuration files are not read."""

    def __init__(self, binds: Sequence[str], *, workers: int, grace: int) -> None:
        self._chosen = {"bind": list(binds), "workers": workers, "graceful_timeout": grace}
        super().__init__()

    def load_config(self) -> None:
        given = vars(gunicorn_conf) | self._chosen
        for name in given.keys() & self.cfg.settings.keys():
            self.cfg.set(name, given[name])

    def load(self) -> Any:
        return _built()

    def run(self) -> None:
        Master(self).run()


def run(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop; exits with 2 when the environment or the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="lmctl.api.main", description="lmctl's HTTP gateway")
    parser.add_argument("--bind", action="append", required=True, metavar="HOST:PORT|unix:PATH")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--beside", action="store_true", help="listen although the gateway before still does there"
    )
    parser.add_argument("--grace", type=int, default=30, help="seconds a stream may take to finish")
    chosen = parser.parse_args(arguments)
    folder = os.environ.get("LMCTL_RUN")
    if not folder or not Path(folder).is_dir():
        parser.error("LMCTL_RUN must name the run folder, and it must exist")
    if chosen.workers < 1:
        parser.error("--workers must be at least 1")
    sharing.share(Path(folder))
    binds = [_beside(each) for each in chosen.bind] if chosen.beside else chosen.bind
    GatewayServer(binds, workers=chosen.workers, grace=chosen.grace).run()


def _beside(bind: str) -> str:
    """Listen at `HOST:PORT` although another process of this user does, which shares it; return the
    open socket as gunicorn takes one.
    """
    host, port = parse_address(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(gunicorn_conf.backlog)
    return f"fd://{listener.detach()}"


@cache
def _built() -> Any:
    from lmctl import logs
    from lmctl.adapters.background_notes import BACKGROUND_FOLDER, BackgroundNotes
    from lmctl.adapters.conversations import CONVERSATIONS_FILE, TurnFile
    from lmctl.adapters.runner_client import ask
    from lmctl.api.app import create_app
    from lmctl.api.loading import through_daemon
    from lmctl.base.struct_types import settle
    from lmctl.serving.background import Backgrounds
    from lmctl.serving.gateway import Gateway
    from lmctl.serving.snapshot import Snapshots
    from lmctl.serving.stored import Conversations

    logs.configure()
    settle()
    run = Path(os.environ["LMCTL_RUN"])
    stored = Path(os.environ.get("LMCTL_CONVERSATIONS") or run / CONVERSATIONS_FILE)
    notes = BackgroundNotes(stored.with_name(BACKGROUND_FOLDER))
    conversations = Conversations(TurnFile(stored), Backgrounds(notes))
    snapshots = Snapshots(run)
    return create_app(Gateway(snapshots, ask, through_daemon(snapshots)), conversations)


def _open_standard_streams() -> None:
    """Give 0, 1 and 2 to the null device where the starter has closed them.

    Else the first socket would become standard input, and gunicorn and its workers would close it
    as such.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    _open_standard_streams()
    run()
