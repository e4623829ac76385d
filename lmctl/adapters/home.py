"""Where things lie on this machine: everything under one folder, sockets in a short one.

state.db      generations, journal, events, conditions (a cache: rebuilt when lost)
conversations.db     what clients asked to have remembered; written by the gateway
background/   answers the gateway writes while nobody waits
revisions/    the files of the last generations, by digest
roots.json hold.json suspended.json              wishes: what is followed, held, left alone
lock          held by the daemon while it lives (flock: the kernel frees it)
blobs/ partial/ quarantine/ weights/ models/     weights, see adapters/weights
downloads.json downloaded.json                   downloads by request, models that came of them
blobs.json    when each blob was last hashed, damaged, needed
runners/NAME@DIGEST/spec.json                    one folder per runner
runtimes/     which builds of engines passed their self-test
environments/ builds of engines that were installed (adapters/runtimes)
prefixes/     what runners had read, saved for the next one (runner.saved_prefixes)
run/          surface.json, health.json, tokens.json, models.json, gateway.json
logs/         daemon.log, gateway.log, runner-NAME.log, runtime-NAME.log, mcp-LABEL.log
logins/       OAuth tokens of remote tool servers, LABEL.json
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lmctl.base.errors import Refused

# sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included.
_SOCKET_PATH = 103
_LONGEST_NAME = 63 + 14
# Not `$TMPDIR`: whoever looks for the socket must find the folder of whoever made it.
_SHORT = Path("/tmp")  # noqa: S108 # what is found there is checked before it is used
_HINT = "set LMCTL_HOME to a folder you can write"


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
    def prefixes(self) -> Path:
        return self.root / "prefixes"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def logins(self) -> Path:
        return self.root / "logins"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @property
    def conversations(self) -> Path:
        return self.root / "conversations.db"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def last_good(self) -> Path:
        return self.root / "last-good.msgpack"

    @property
    def revisions(self) -> Path:
        return self.root / "revisions"

    @property
    def sockets(self) -> Path:
        """Return the folder of unix sockets: `run`, or a short one when that path is too long."""
        if len(os.fsencode(self.run)) + _LONGEST_NAME <= _SOCKET_PATH:
            return self.run
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return _SHORT / f"lmctl-{os.getuid()}-{name}"

    @property
    def control(self) -> Path:
        return self.sockets / "control.sock"

    def prepare(self) -> None:
        """Create the folders, for the owner only.

        Raises Refused when they cannot be made or the socket folder belongs to somebody else.
        """
        try:
            for folder in (self.root, self.run, self.runners, self.logs, self.sockets):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            owner = self.run.stat().st_uid
        except FileExistsError:
            self.check_sockets()
            raise _unusable(self.root, "something else is where a folder should be") from None
        except OSError as problem:
            raise _unusable(self.root, problem.strerror or str(problem)) from problem
        if owner != os.getuid():
            raise _unusable(self.root, "it belongs to another user")
        self.check_sockets()

    def check_sockets(self) -> None:
        """Trust a short folder of sockets only where nobody else can have put anything.

        Raises Refused when it is not a directory of our own with mode 0700.
        """
        if self.sockets == self.run:
            return
        try:
            seen = self.sockets.lstat()
        except FileNotFoundError:
            return
        ours = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid()
        if not ours or stat.S_IMODE(seen.st_mode) != 0o700:
            raise Refused(
                f"`{self.sockets}` is not a directory of yours with mode 0700",
                hint="remove it, or set LMCTL_HOME to a shorter path",
            )

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Hold the lock: one daemon a home. The kernel frees it whatever happens.

        Raises Refused when another daemon has it.
        """
        with self.lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise Refused(
                    f"a daemon already runs for `{self.root}` (pid {holder})",
                    hint="`lmctl daemon status` shows it, `lmctl daemon down` ends it",
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def holder(self) -> int | None:
        """Return the pid of the daemon that holds the lock (0: it did not say), or None."""
        try:
            lock = self.lock.open()
        except OSError:
            return None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = lock.read().strip()
                return int(said) if said.isdigit() else 0
        return None


def home_of(environment: dict[str, str] | None = None) -> Home:
    """Return `$LMCTL_HOME`, by default `~/.lmctl`.

    Raises Refused when no folder can be there.
    """
    given = (environment if environment is not None else dict(os.environ)).get("LMCTL_HOME")
    wanted = Path(given or "~/.lmctl")
    try:
        root = wanted.expanduser().absolute()
        first = next(each for each in (root, *root.parents) if each.exists())
    except (OSError, RuntimeError) as problem:
        raise _unusable(wanted, str(problem)) from problem
    if not first.is_dir():
        raise _unusable(root, f"`{first}` is not a directory")
    if not os.access(first, os.W_OK | os.X_OK):
        raise _unusable(root, f"`{first}` cannot be written")
    return Home(root)


def _unusable(root: Path, why: str) -> Refused:
    return Refused(f"`{root}` cannot hold lmctl's state: {why.rstrip('.')}", hint=_HINT)
