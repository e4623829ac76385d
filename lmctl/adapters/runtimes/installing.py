"""A Python environment with a build of an engine in it, made by pip.

It stands on the packages lmctl itself has: they can be imported there, and count as installed, but
come last. So all it holds is the engine's package, and what that needs in another version.

A wheel, fetched or built, is kept in the user's cache: nothing is compiled twice on a machine.
"""

import asyncio
import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import signal
import site
import sys
import sysconfig
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from lmctl.adapters.outbound import shut_by
from lmctl.adapters.runtimes.pip_words import InstallFailed, failure, progress_of
from lmctl.base.digests import digest
from lmctl.base.shipped import shipped_at
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.wanted_runtimes import Build

Report = Callable[[Progress], None]

_NICENESS: Final = 10
_LONGEST_LINE: Final = 2**20
_KEPT: Final = 200  # lines of pip's output that may say why it failed
_TALKS_IN_NUMBERS: Final = (24, 1)
"""The pip that says in bytes how far a download is, when asked to."""
_PLACES: Final = tuple(
    f"-DCMAKE_INSTALL_{each}" for each in ("LIBDIR=llama_cpp/lib", "BINDIR=llama_cpp/lib")
)


async def install(
    build: Build, folder: Path, log: Path, report: Report, *, features: Iterable[str]
) -> None:
    """Make `folder` an environment with a build in it; what pip says goes to `log`.

    `features` are the processor's, which a wheel that was built here is for. Raises InstallFailed.
    Cancelled, it ends what it started.
    """
    pip = _Pip(build, folder, log, report)
    report(Progress("making its environment"))
    await pip.run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    _stand_on_ours(folder)
    if importlib.util.find_spec("pip") is None:
        await pip.run(pip.python, "-m", "ensurepip")
    wheel = await _wheel(build, folder, pip, features)
    report(Progress("installing"))
    try:
        await pip.pip("install", str(wheel))
    except InstallFailed as error:
        if error.kind is FailureKind.INTEGRITY:  # the next try shall not meet it again
            shutil.rmtree(wheel.parent, ignore_errors=True)
        raise
    shutil.rmtree(folder / "wheel", ignore_errors=True)  # where it could not be kept in the cache


def _stand_on_ours(folder: Path) -> None:
    """Let what runs there import all that we can, behind its own."""
    ours = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    ours |= dict.fromkeys(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        ours |= {site.getusersitepackages(): None}
    own = next(folder.glob("lib/python*/site-packages"))
    lines = (f"import site; site.addsitedir({each!r})\n" for each in ours)
    (own / "_lmctl.pth").write_text("".join(lines))


async def _wheel(build: Build, folder: Path, pip: "_Pip", features: Iterable[str]) -> Path:
    """Return the wheel of a build: from the cache, from the index, or built here."""
    cache = _cached(build, features)
    if found := next(iter(cache.glob("*.whl")), None):
        return found
    if variable := shut_by():
        hint = f"{variable} is set; unset it for the daemon and restart it"
        message = f"offline: the package index is not asked for {build}"
        raise InstallFailed(message, kind=FailureKind.CONFIG, hint=hint)
    made = folder / "wheel"
    source = ("--no-binary", build.package) if build.flags else ()
    wanted = f"{build.package}=={build.version}"
    await pip.pip("wheel", "-v", "--no-deps", "--no-cache-dir", *source, "-w", str(made), wanted)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # another daemon was as fast, or it is on another disk
        made.rename(cache)
    return next(iter((*cache.glob("*.whl"), *made.glob("*.whl"))))


def _cached(build: Build, features: Iterable[str]) -> Path:
    """Return the folder for the wheel of a build; its name says all that decides what is in it."""
    rules = _build_rules()
    content = (
        *(build.package, build.version, build.flags, rules.read_text() if rules else ""),
        *(sysconfig.get_platform(), sys.implementation.cache_tag, sorted(features)),
    )
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lmctl" / "wheels" / f"{build.package}-{build.version}-{digest(content)[:12]}"


def _build_rules() -> Path | None:
    """Return the CMake file that lmctl's own llama.cpp is built with."""
    found = shipped_at("build") / "llama-cpp.cmake"
    return found if found.is_file() else None


class _Pip:
    """Runs pip in an environment, tells how far it is and keeps its last words."""

    def __init__(self, build: Build, folder: Path, log: Path, report: Report) -> None:
        self._build = build
        self._log = log
        self._report = report
        self._lines: deque[str] = deque(maxlen=_KEPT)
        self.python = str(folder / "bin" / "python")

    async def pip(self, command: str, *words: str) -> None:
        """Run a command of pip. Raises InstallFailed."""
        bar = "raw" if _pip_version() >= _TALKS_IN_NUMBERS else "off"
        quiet = ("--no-input", "--disable-pip-version-check", "--retries", "1")
        options = (*quiet, "--progress-bar", bar)
        await self.run(self.python, "-m", "pip", command, *options, *words)

    async def run(self, *command: str) -> None:
        """Run a command to its end. Raises InstallFailed when that is not a good one."""
        self._lines.clear()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=self._environment(),
            cwd="/",
            limit=_LONGEST_LINE,
        )
        with suppress(psutil.Error):
            psutil.Process(process.pid).nice(_NICENESS)  # what serves comes first
        try:
            await self._listen(process)
            code = await process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise
        if code != 0:
            raise failure(self._build, [*self._lines, f"pip ended with exit code {code}"])

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        with self._log.open("ab") as log:
            async for line in _lines_of(process):
                log.write(line)
                text = line.decode(errors="replace").rstrip()
                self._lines.append(text)
                if (progress := progress_of(text)) is not None:
                    self._report(progress)

    def _environment(self) -> Mapping[str, str]:
        flags = [*_PLACES, "-DCMAKE_INSTALL_INCLUDEDIR=llama_cpp/include", *self._build.flags]
        if rules := _build_rules():
            flags.insert(0, f"-DCMAKE_PROJECT_llama_cpp_INCLUDE={rules}")
        cores = str(os.cpu_count() or 1)
        return {
            **os.environ,
            **({"PIP_NO_INDEX": "1"} if shut_by() else {}),
            "CMAKE_ARGS": shlex.join(flags),
            "CMAKE_BUILD_PARALLEL_LEVEL": cores,
            "PIP_USER": "0",
        }


async def _lines_of(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 # it was asked for
    while line := await process.stdout.readline():
        yield line


def _pip_version() -> tuple[int, ...]:
    """Return the version of the pip we have, (0, 0) where it is another one's."""
    try:
        parts = importlib.metadata.version("pip").split(".")
    except importlib.metadata.PackageNotFoundError:
        return (0, 0)
    return tuple(int(each) for each in parts[:2] if each.isdigit())
