"""Where things lie on this machine: everything under one folder, sockets in a short one.

state.db      generations, events, conditions (a cache: rebuilt when lost)
lock          held by the daemon while it lives (flock: the kernel frees it)
blobs/ partial/ quarantine/ weights/ models/     weights, see adapters/weights
runners/NAME@DIGEST/spec.json                    one folder per runner
run/          surface.json, health.json, gateway.json
logs/         daemon.log, gateway.log, runner-NAME.log
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lmctl.base.errors import Refused

# sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included.
_SOCKET_PATH = 103
_LONGEST_NAME = 63 + 14


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one box."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def runners(self) -> Path:
        return self.root / "runners"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def last_good(self) -> Path:
        return self.root / "last-good.msgpack"

    @property
    def sockets(self) -> Path:
        """Return the folder of unix sockets: `run`, or a short one when that path is too long."""
        if len(os.fsencode(self.run)) + _LONGEST_NAME <= _SOCKET_PATH:
            return self.run
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"lmctl-{os.getuid()}-{name}"

    @property
    def control(self) -> Path:
        return self.sockets / "control.sock"

    def prepare(self) -> None:
        """Create the folders, for the owner only.

        Raises Refused when the socket folder belongs to somebody else.
        """
        for folder in (self.root, self.run, self.runners, self.logs, self.sockets):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.sockets.stat().st_uid != os.getuid():
            raise Refused(
                f"`{self.sockets}` belongs to another user",
                hint="set LMCTL_HOME to a shorter path of your own",
            )


def home_of(environment: dict[str, str] | None = None) -> Home:
    """Return `$LMCTL_HOME`, by default `~/.lmctl`."""
    given = (environment if environment is not None else dict(os.environ)).get("LMCTL_HOME")
    return Home(Path(given).expanduser().absolute() if given else Path.home() / ".lmctl")
