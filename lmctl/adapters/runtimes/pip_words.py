"""What pip says while it works, for people: how far it is, and why it failed."""

import re
from collections.abc import Sequence
from typing import Final

from lmctl.base.errors import LmctlError
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.wanted_runtimes import Build

_COMPILED: Final = re.compile(r"\s*\[(\d+)/(\d+)\] ")
_FETCHED: Final = re.compile(r"\s*Downloading (\S+)(?: \(([\d.]+ \w+)\))?")
_BYTES: Final = re.compile(r"Progress (\d+) of (\d+)")
_SAID: Final = (
    (re.compile(r"\s*Collecting "), "asking the index"),
    (re.compile(r"\s*Installing build dependencies"), "fetching build tools"),
    (re.compile(r"\s*Preparing metadata"), "reading its sources"),
    (re.compile(r"\s*\*\*\* Configuring CMake"), "configuring the build"),
    (re.compile(r"\s*Building wheel for "), "building"),
    (re.compile(r"Installing collected packages"), "installing"),
)
_SCARCE: Final = re.compile(
    r"No space left on device|cannot allocate memory|Killed signal", re.IGNORECASE
)
_UNREACHED: Final = re.compile(
    r"Failed to establish a new connection|Name or service not known|name resolution|nodename nor|"
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|Connection (?:refused|reset)|"
    r"ProxyError|SSLError|HTTP error 5\d\d",
    re.IGNORECASE,
)
_DAMAGED: Final = re.compile(r"BadZipFile|not a zip file|located at .* is invalid|invalid wheel")
_NOT_THERE: Final = re.compile(r"No matching distribution found for|HTTP error 404")
_NO_COMPILER: Final = re.compile(
    r"No CMAKE_C(XX)?_COMPILER|CMAKE_C(XX)?_COMPILER not set|CMAKE_MAKE_PROGRAM is not"
)
_TROUBLE: Final = re.compile(r"\berror\b", re.IGNORECASE)
_EMPTY_WORDS: Final = re.compile(
    r"^\s*(?:note|hint):|^\s*error: [\w-]+$|finished with status|Encountered error while|did not run successfully|Failed building wheel|Failed to build|ninja: build stopped|See above for output|exit code:"
)


class InstallFailed(LmctlError):
    """A package could not be installed; `kind` says whether trying again can help."""

    def __init__(self, message: str, *, kind: FailureKind, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def progress_of(line: str) -> Progress | None:
    """Return how far pip is, where a line of its output says so."""
    if found := _COMPILED.match(line):
        done, total = map(float, found.groups())
        return Progress(f"building, {done:.0f} of {total:.0f} files", done, total)
    if found := _BYTES.match(line):
        return Progress("downloading", *map(float, found.groups()))
    if found := _FETCHED.match(line):
        name = found[1].rpartition("/")[2].partition("#")[0]
        return Progress(f"downloading {name}" + (f", {found[2]}" if found[2] else ""))
    return next((Progress(words) for form, words in _SAID if form.match(line)), None)


def failure(build: Build, lines: Sequence[str]) -> InstallFailed:
    """Return why a build could not be installed, from the last lines of pip's output."""
    text = "\n".join(lines)
    if _SCARCE.search(text):
        reason = f"there is no room to install {build}: {_last(lines, _SCARCE)}"
        return InstallFailed(reason, kind=FailureKind.CAPACITY)
    if _UNREACHED.search(text):
        reason = f"the package index cannot be reached: {_last(lines, _UNREACHED)}"
        return InstallFailed(reason, kind=FailureKind.TRANSIENT)
    if _DAMAGED.search(text):
        reason = f"the wheel of {build} is damaged: {_last(lines, _DAMAGED)}"
        return InstallFailed(reason, kind=FailureKind.INTEGRITY)
    if _NOT_THERE.search(text):
        hint = f"`lmctl runtime get {build.package} --list` shows the versions there are"
        reason = f"{build} is not on the package index"
        return InstallFailed(reason, kind=FailureKind.CONFIG, hint=hint)
    if _NO_COMPILER.search(text):
        hint = "install a C and a C++ compiler (`build-essential`, Xcode's command line tools)"
        reason = f"{build} must be built, and there is no compiler"
        return InstallFailed(reason, kind=FailureKind.CONFIG, hint=hint)
    said = [
        each.strip() for each in lines if _TROUBLE.search(each) and not _EMPTY_WORDS.search(each)
    ]
    words = "; ".join(dict.fromkeys(said[-2:] or [each.strip() for each in lines[-2:]]))
    return InstallFailed(f"{build} could not be installed: {words[:400]}", kind=FailureKind.CONFIG)


def _last(lines: Sequence[str], form: re.Pattern[str]) -> str:
    return next(each.strip() for each in reversed(lines) if form.search(each))[:300]
