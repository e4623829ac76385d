"""References to secrets -> the secrets, which never leave their `Secret` but by `reveal`."""

import hashlib
import hmac
import os
import secrets
import signal
import stat
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from lmctl.adapters.files import read_if_there
from lmctl.base.errors import NotFound, Refused, Unreachable
from lmctl.manifests.secret_ref import SecretRef
from lmctl.manifests.secret_words import names_a_secret, recognised

MAX_BYTES: Final = 64 * 1024
COMMAND_SECONDS: Final = 10.0
_KEY_BYTES: Final = 32
# Who may read a file is its owner's business; that others may, or that a group may write, is not.
_TOO_OPEN: Final = stat.S_IWGRP | stat.S_IRWXO


class Secret:
    """A secret that prints as where it was found. `fingerprint` changes when it does and says
    nothing about it to whoever lacks this box's key.
    """

    __slots__ = ("_value", "fingerprint", "where")

    def __init__(self, value: str, *, where: str, key: bytes) -> None:
        self._value = value
        self.where = where
        self.fingerprint = fingerprint(value.encode(), key)

    def reveal(self) -> str:
        """Return the secret itself, to hand it to the one place that needs it."""
        return self._value

    @property
    def sha256(self) -> str:
        """Return what a token is known by to those who must not have it."""
        return hashlib.sha256(self._value.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Secret({self.where})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class SecretResolver:
    """Finds secrets of this box. `environment` is the daemon's, `key` that of fingerprints."""

    def __init__(self, key: bytes, environment: Mapping[str, str] | None = None) -> None:
        self._key = key
        self._environment = os.environ if environment is None else environment

    def find(self, reference: SecretRef, *, seconds: float = COMMAND_SECONDS) -> Secret:
        """Return the secret; a command may take `seconds`.

        Raises NotFound when it is not there, Refused when it may not be used (others can read the
        file, it is empty, too long or no text) and Unreachable when a command does not answer. No
        message has the secret in it.
        """
        where = str(reference)
        return Secret(_text(self._bytes(reference, seconds), where), where=where, key=self._key)

    def _bytes(self, reference: SecretRef, seconds: float) -> bytes:
        if reference.command is not None:
            return _printed(reference.command, self._environment, seconds)
        if reference.file is not None:
            return _private(Path(reference.file).expanduser())
        if reference.credential is not None:
            return self._credential(reference.credential)
        name = reference.env or ""
        if name not in self._environment:
            raise NotFound(
                f"environment variable `{name}` is not set",
                hint="set it where the daemon is started, and start the daemon anew",
            )
        return os.fsencode(self._environment[name])

    def _credential(self, name: str) -> bytes:
        folder = self._environment.get("CREDENTIALS_DIRECTORY")
        hint = f"give it to the unit of lmctl: LoadCredential={name}:/path/to/it"
        if not folder:
            raise NotFound(f"no systemd credential `{name}`: none were given to lmctl", hint=hint)
        content = read_if_there(Path(folder) / name)
        if content is None:
            raise NotFound(f"no systemd credential `{name}`", hint=hint)
        return content


def fingerprint(value: bytes, key: bytes) -> str:
    """Return sixteen hex characters that change with the value, by this box's key."""
    return hmac.new(key, value, hashlib.sha256).hexdigest()[:16]


def fingerprint_key(home: Path) -> bytes:
    """Return this box's key for fingerprints, made on first use, for the owner only.

    Raises Refused when it cannot be read or made, or is not what was made.
    """
    path = home / "fingerprint.key"
    try:
        _make_key(path)
        key = path.read_bytes()
    except OSError as problem:
        raise Refused(f"`{path}`: {problem.strerror}", hint="set LMCTL_HOME") from problem
    if len(key) != _KEY_BYTES:
        raise Refused(f"`{path}` is damaged", hint="remove it; a new one is made")
    return key


def _make_key(path: Path) -> None:
    """Make the key unless there is one; of two makers at once, one wins with a whole file."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(secrets.token_bytes(_KEY_BYTES))
            sink.flush()
            os.fsync(sink.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _private(path: Path) -> bytes:
    """Return what a file holds that only its owner (and perhaps a group) can read."""
    try:
        # A pipe under that name would keep us waiting for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            _check_private(path, os.fstat(descriptor))
            return os.read(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise NotFound(f"no file `{path}`", hint="write the secret into it, mode 0600") from None
    except OSError as problem:
        raise Refused(
            f"`{path}` cannot be read: {problem.strerror}",
            hint="the daemon reads it as the user it runs as",
        ) from problem


def _check_private(path: Path, seen: os.stat_result) -> None:
    if not stat.S_ISREG(seen.st_mode):
        raise Refused(f"`{path}` is not a regular file", hint="write the secret into a file")
    if seen.st_mode & _TOO_OPEN:
        mode = stat.S_IMODE(seen.st_mode)
        raise Refused(
            f"`{path}` has mode {mode:04o}: others can read it or a group can change it",
            hint=f"chmod 600 {path}",
        )
    if seen.st_uid not in (os.getuid(), 0):
        raise Refused(f"`{path}` belongs to another user", hint="its owner could change the secret")


def _printed(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> bytes:
    """Return what a command prints; it and all it started are ended when time is up."""
    name = command[0]
    try:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as problem:
        raise NotFound(f"command `{name}`: {problem.strerror}", hint="give its full path") from None
    with child:
        printed, late = _until_it_ends(child, seconds)
    if late:
        hint = "it must print the secret without asking anybody"
        raise Unreachable(f"command `{name}` did not end in {seconds:g} s", hint=hint)
    if child.returncode and len(printed) <= MAX_BYTES:
        raise Unreachable(
            f"command `{name}` ended with exit code {child.returncode}",
            hint="run it by hand as the user of the daemon: what it says is not shown here",
        )
    return printed


def _until_it_ends(child: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bool]:
    """Return what a process prints (up to more than a secret has), and whether it took too long."""
    late = threading.Event()

    def end() -> None:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)

    def expire() -> None:
        late.set()
        end()

    timer = threading.Timer(seconds, expire)
    timer.start()
    try:
        printed = child.stdout.read(MAX_BYTES + 1) if child.stdout else b""
        if len(printed) > MAX_BYTES:
            end()
        child.wait()
    finally:
        timer.cancel()
    return printed, late.is_set()


def _text(content: bytes, where: str) -> str:
    """Return a secret as text, without the line end that editors and programs put behind it."""
    if len(content) > MAX_BYTES:
        raise Refused(f"{where}: longer than {MAX_BYTES} bytes", hint="point to the secret alone")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise Refused(f"{where}: not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Refused(f"{where}: it is empty")
    if "\0" in text:
        raise Refused(f"{where}: not text, it has a NUL in it")
    return text


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what may be handed to gateway and runners: variables whose names do not say that they
    hold a secret and whose values hold none in a known form. Tokens of hubs and indexes are the
    daemon's own business.
    """
    return {
        name: value
        for name, value in environment.items()
        if not names_a_secret(name) and recognised(value) is None
    }
