"""Makes sure that builds of engines are here and work: installed, and tried in a process of its own."""

import asyncio
import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.runtimes.folders import Environments, Launch
from lmctl.adapters.runtimes.installing import install
from lmctl.adapters.runtimes.pip_words import InstallFailed
from lmctl.adapters.runtimes.trying import self_test
from lmctl.base.spec import FailureKind
from lmctl.manifests.runtime import BUNDLED
from lmctl.planning.conditions import Progress
from lmctl.planning.observed import SeenRuntime
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled
from lmctl.planning.plan import EnsureRuntime
from lmctl.planning.wanted_runtimes import Build, WantedRuntime
from lmctl.planning.wanted_tools import with_secrets

Report = Callable[[Progress], None]

# What a passed test is worth anything for: these packages as they are.
_PACKAGES: Final = {"llama.cpp": ("llama-cpp-python",), "mlx": ("mlx", "mlx-lm"), "echo": ()}


class RuntimeActuator:
    """Installs and self-tests runtimes; a passed test is remembered for what was tested.

    `features` returns those of this machine's processor, `reveal` the secret a reference leads to.
    """

    def __init__(
        self,
        home: Path,
        *,
        features: Callable[[], Iterable[str]],
        reveal: Callable[[Mapping[str, Any]], str],
    ) -> None:
        self._notes = home / "runtimes"
        self._logs = home / "logs"
        self._features = features
        self._reveal = reveal
        self._one = asyncio.Lock()  # a build takes all cores
        self.environments = Environments(home)

    def seen(self, wanted: Iterable[WantedRuntime]) -> dict[str, SeenRuntime]:
        """Return, by name, the bundled runtimes that passed, and which of those wanted did."""
        bundled = [WantedRuntime(name, engine) for name, engine in BUNDLED.items()]
        found = {}
        for each in (*bundled, *wanted):
            version = self._passed(each)
            if version is not None:
                found[each.name] = SeenRuntime(each.name, version)
        return found

    def launch_of(self, build: Build | None) -> Launch:
        """Return what starts processes of a build; None is the bundled one."""
        return self.environments.launch_of(build)

    async def filled(self, launch: Launch) -> dict[str, str]:
        """Return the variables of a launch with secrets in their places.

        Raises NotFound, Refused and Unreachable for a secret that cannot be had.
        """
        secrets = {
            name: await asyncio.to_thread(self._reveal, each)
            for name, each in launch.secrets.items()
        }
        return {name: with_secrets(each, secrets) for name, each in launch.environment.items()}

    async def ensure(self, step: EnsureRuntime, report: Report) -> Outcome:
        """Return once the runtime is installed and passed its self-test.

        Killed or cancelled at any time it leaves nothing that looks finished.
        """
        runtime = step.runtime
        if runtime.build is None:
            return await self._test(runtime, Launch(), report)
        report(Progress("waiting for another installation"))
        async with self._one:
            if self.environments.installed(runtime.build) is not None:
                return await self._test(runtime, self.launch_of(runtime.build), report)
            try:
                return await self._install(runtime, runtime.build, report)
            except InstallFailed as error:
                words = f"{error}; {error.hint}" if error.hint else str(error)
                return _outcome(f"{words} (see {self._log_of(runtime)})", error.kind)

    async def _install(self, runtime: WantedRuntime, build: Build, report: Report) -> Outcome:
        """Make the environment aside, test it there, and put it in its place. Raises InstallFailed."""
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.environments.aside(build) as folder:
            features = self._features()
            await install(build, folder, self._log_of(runtime), report, features=features)
            try:
                launch = self.environments.launch_of(build, at=folder)
            except FileNotFoundError as error:
                return Stalled(f"{build} brings no llama.cpp: {error}")
            outcome = await self._test(runtime, launch, report)
            if isinstance(outcome, Done):
                self.environments.settle(folder, build)
            return outcome

    async def _test(self, runtime: WantedRuntime, launch: Launch, report: Report) -> Outcome:
        """Run the self-test; a passed one is noted."""
        report(Progress("self-test"))
        environment = await self.filled(launch)
        said, words = await self_test(runtime.engine, launch.python, environment)
        if said is None:
            kind = FailureKind.CONFIG if runtime.build else FailureKind.TRANSIENT
            return _outcome(f"its self-test {words}", kind)
        version = said[-1]
        self._notes.mkdir(parents=True, exist_ok=True)
        note = {"version": version, "environment": _tested(runtime)}
        write_atomically(self._note(runtime), msgspec.json.encode(note))
        made = (
            f"{runtime.name}, {runtime.build}"
            if runtime.build
            else f"{runtime.name} {version}, bundled"
        )
        return Done(f"{made}, self-test passed")

    def _passed(self, runtime: WantedRuntime) -> str | None:
        """Return the version of a runtime that passed as it is now, or None."""
        content = read_if_there(self._note(runtime))
        if content is None:
            return None
        try:
            note = msgspec.json.decode(content, type=dict[str, str])
        except msgspec.DecodeError:
            return None
        there = runtime.build is None or self.environments.installed(runtime.build) is not None
        return note["version"] if there and note.get("environment") == _tested(runtime) else None

    def _note(self, runtime: WantedRuntime) -> Path:
        name = runtime.build.digest[:16] if runtime.build else runtime.name
        return self._notes / f"{name}.json"

    def _log_of(self, runtime: WantedRuntime) -> Path:
        return self._logs / f"runtime-{runtime.name}.log"


def _outcome(reason: str, kind: FailureKind) -> Outcome:
    return Stalled(reason) if kind is FailureKind.CONFIG else Failed(reason, kind)


def _tested(runtime: WantedRuntime) -> str:
    """Return what a passed self-test is worth for: this environment with this engine in it."""
    names = _PACKAGES[runtime.engine]
    own = (sys.prefix, *(f"{each}=={_version(each)}" for each in names))
    if runtime.build is None:
        return " ".join(own)
    return " ".join((*own, f"lmctl=={_version('lmctl')}", platform.python_version()))


@cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"
