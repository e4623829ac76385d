"""`doctor` looks at the machine: Python, packages, the engine's build, home, disk, clock, hub."""

import asyncio
import os
import platform
import resource
import stat
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lmctl.adapters.home import Home
from lmctl.adapters.installed import engine_build, installed_at, processor, wrong_packages
from lmctl.adapters.outbound import shut_by
from lmctl.adapters.weights.http_get import host_of
from lmctl.adapters.weights.hub import endpoint
from lmctl.adapters.weights.reachable import clock_of
from lmctl.base.errors import Unreachable
from lmctl.base.quantities import format_duration
from lmctl.cli.render_doctor import Finding, fail, ok, warn

_FILES: Final = 1024  # open files a gateway with many clients needs at least
_SKEW: Final = 120.0  # seconds a clock may be wrong before certificates and logs suffer
_HUB: Final = 5.0  # seconds
_AGAIN: Final = "install lmctl anew, e.g. `make install` in its folder"


def machine(home: Home, *, offline: bool, hub_needed: bool) -> Iterator[Finding]:
    """Yield what the machine is like. `hub_needed`: something declared can only come from the hub."""
    yield ok("python", f"{platform.python_version()} at {sys.executable}")
    yield _packages()
    yield engine_finding(engine_build(), processor())
    yield from _home(home)
    yield _files()
    date, hub = _hub(offline=offline, needed=hub_needed)
    yield clock_finding(time.time(), date, since=installed_at())
    yield hub


def _packages() -> Finding:
    wrong = wrong_packages()
    if not wrong:
        return ok("packages", "all are there, of the versions this lmctl was made with")
    missing = any(each.endswith("missing") for each in wrong)
    return (fail if missing else warn)("packages", "; ".join(wrong), _AGAIN)


def engine_finding(built: frozenset[str] | str, here: frozenset[str] | None) -> Finding:
    """Say what a build is worth here, by instruction sets: those it was `built` for, or why it does not
    work, and those the processor `here` has, None where that is not told.
    """
    if isinstance(built, str):
        return fail("llama.cpp", built, f"{_AGAIN}: it is built for this processor then")
    if here is None:
        return ok("llama.cpp", "works")
    if foreign := sorted(built - here):
        return fail(
            "llama.cpp",
            f"built for {', '.join(foreign)}, which this processor lacks: it will be killed",
            f"{_AGAIN}, on this machine",
        )
    if unused := sorted(here - built):
        return warn(
            "llama.cpp",
            f"built without {', '.join(unused)}, which this processor has: slower than it could be",
            f"{_AGAIN}, on this machine and without CMAKE_ARGS",
        )
    return ok("llama.cpp", f"built for this processor: {', '.join(sorted(built)) or 'plain'}")


def _home(home: Home) -> Iterator[Finding]:
    root = home.root
    if not root.exists():
        yield ok("home", f"{root} will be made")
        return
    seen = root.stat()
    if seen.st_uid != os.getuid():
        fix = "set LMCTL_HOME to a folder of your own"
        yield fail("home", f"{root} belongs to another user", fix)
        return
    mode = stat.S_IMODE(seen.st_mode)
    if mode & 0o077:
        fix = f"chmod 700 {root}"
        yield warn("home", f"{root} can be read by others (mode {mode:03o})", fix)
        return
    foreign = [each for each in _below(root) if each.lstat().st_uid != os.getuid()]
    if foreign:
        fix = f"chown -R {os.getuid()} {root}"
        yield fail("home", f"{foreign[0]} belongs to another user", fix)
        return
    yield ok("home", f"{root} is yours alone")


def _below(root: Path) -> Iterator[Path]:
    """Yield what a daemon writes to: a command run as root may have left files of its own."""
    yield from root.iterdir()
    for name in ("run", "logs"):
        if (root / name).is_dir():
            yield from (root / name).iterdir()


def _files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FILES:
        fix = f"ulimit -n {_FILES * 4}, or LimitNOFILE in the unit"
        return warn("open files", f"{soft} at most: few clients at once", fix)
    return ok("open files", "no limit" if soft == resource.RLIM_INFINITY else f"{soft} at most")


def clock_finding(now: float, told: float | None, *, since: float) -> Finding:
    """Say whether a clock can be right: after lmctl was installed, `since`, and as a hub `told`."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fix = "let the machine set its clock, e.g. `timedatectl set-ntp true`"
    if now < since - _SKEW:
        return fail("clock", f"it says {shown}, before lmctl was installed", fix)
    if told is not None and abs(now - told) > _SKEW:
        way = "ahead of" if now > told else "behind"
        return warn("clock", f"{format_duration(abs(now - told))} {way} the hub's", fix)
    return ok("clock", shown if told is None else f"{shown}, as the hub's")


def _hub(*, offline: bool, needed: bool) -> tuple[float | None, Finding]:
    """Return what time the hub says it is, and whether it can be asked."""
    where = endpoint()
    if offline or shut_by():
        said = "not asked: offline"
        if needed:
            return None, warn("hub", f"{said}, and weights have to come from it", "fetch them once")
        return None, ok("hub", said)
    try:
        date = asyncio.run(clock_of(where, seconds=_HUB))
    except Unreachable as problem:
        fix = "check the network and HTTPS_PROXY; HF_ENDPOINT names a mirror; `lmctl import` brings files"
        return None, (fail if needed else warn)("hub", str(problem), fix)
    return date, ok("hub", f"{host_of(where)} answers")
