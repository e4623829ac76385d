"""Makes sure an engine's build works here, by trying it in a process of its own."""

import asyncio
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.observed import SeenRuntime
from lmctl.planning.outcome import Done, Failed, Outcome
from lmctl.planning.plan import EnsureRuntime

Report = Callable[[Progress], None]

# A broken native library must not take the daemon down, so the import happens in a child.
_SELF_TESTS = {
    "llama.cpp": (
        "import llama_cpp as l; l.llama_backend_init();"
        "assert l.llama_supports_mmap(); print(l.__version__)"
    ),
    "mlx": (
        "import importlib.util as u, sys;"
        "u.find_spec('mlx') and u.find_spec('mlx_lm') or sys.exit('MLX is not installed here;"
        " it comes with lmctl on Apple silicon, elsewhere with `lmctl[mlx]`');"
        "import mlx.core as m; assert m.sum(m.ones(4)).item() == 4;"
        "import lmctl.runner.mlx.engine; print(m.__version__)"
    ),
    "echo": "import lmctl.runner.echo; import lmctl; print(lmctl.__version__)",
}
# What a passed test is worth anything for: these packages as they are.
_PACKAGES = {"llama.cpp": ("llama-cpp-python",), "mlx": ("mlx", "mlx-lm"), "echo": ()}
SELF_TEST_DEADLINE = 60.0


class RuntimeActuator:
    """Self-tests bundled runtimes; a passed test is remembered per Python environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def seen(self) -> dict[str, SeenRuntime]:
        """Return the runtimes that passed, by name."""
        found = {}
        for name in _SELF_TESTS:
            content = read_if_there(self._note(name))
            if content is not None:
                note = msgspec.json.decode(content, type=dict[str, str])
                if note.get("environment") == _environment(name):
                    found[name] = SeenRuntime(name, note["version"])
        return found

    async def ensure(self, step: EnsureRuntime, report: Report) -> Outcome:
        """Run the self-test."""
        name = step.runtime.name
        report(Progress("self-test"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _SELF_TESTS[step.runtime.engine]),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SELF_TEST_DEADLINE):
                out, trouble = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return Failed("its self-test did not end in time", FailureKind.TRANSIENT)
        if process.returncode != 0:
            last = trouble.decode(errors="replace").strip().splitlines()[-1:]
            return Failed(f"its self-test failed: {' '.join(last)}", FailureKind.TRANSIENT)
        version = out.decode().split()[-1]
        self._folder.mkdir(parents=True, exist_ok=True)
        note = {"version": version, "environment": _environment(step.runtime.engine)}
        write_atomically(self._note(name), msgspec.json.encode(note))
        return Done(f"{name} {version}, bundled, self-test passed")

    def _note(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _environment(engine: str) -> str:
    """Return what a passed self-test is worth for: this environment with this engine in it."""
    versions = (f"{each}=={_version(each)}" for each in _PACKAGES[engine])
    return " ".join((sys.prefix, *versions))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"
