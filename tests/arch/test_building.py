"""The building holds: floors, pure rooms, doors, sizes, and every step has its actuator and word."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from lmctl.cli.render_plan import GLYPHS
from lmctl.planning import plan
from lmctl.planning.planner import _RANK
from tests.support import worlds

ROOT = Path(__file__).parents[2]
LMCTL = ROOT / "lmctl"
FLOORS = (
    "base",
    "manifests",
    "planning",
    "chat",
    "runner",
    "adapters",
    "serving",
    "actuators",
    "reconciler",
    "api",
    "daemon",
    "cli",
)
PURE = FLOORS[:4]
IMPURE = {
    "asyncio", "concurrent", "io", "logging", "os", "random", "secrets", "shutil", "signal",
    "socket", "sqlite3", "subprocess", "tempfile", "threading", "time",
}  # fmt: skip
# One door per outside library: the rooms (or modules) that may know it.
DOORS = {
    "falcon": ("api/", "daemon/control"),
    "gunicorn": ("api/main.py", "api/worker.py"),
    "httpx2": (
        "adapters/mcp/",
        "adapters/weights/",
        "adapters/control_socket.py",
        "adapters/preset_sources.py",
        "api/control.py",
        "cli/client.py",
        "cli/gateway_client.py",
    ),
    "huggingface_hub": ("adapters/weights/hub.py", "adapters/weights/hub_search.py"),
    "jinja2": ("chat/template.py", "chat/template_budget.py", "chat/template_sandbox.py"),
    "jsonschema": ("base/json_schema.py",),
    "llguidance": ("chat/masks.py",),
    "llama_cpp": ("runner/llamacpp/",),
    "mlx": ("runner/mlx/",),
    "mlx_lm": ("runner/mlx/",),
    "numpy": ("runner/llamacpp/", "runner/mlx/", "runner/choosing.py", "runner/logprobs.py"),
    "prometheus_client": ("adapters/metrics/",),
    "psutil": ("adapters/", "runner/"),
    "mcp": ("adapters/mcp/",),
    "pydantic": ("adapters/mcp/", "manifests/", "api/"),
    "rich": ("cli/",),
    "ruamel": ("manifests/yaml_", "cli/printer.py"),
    "sqlite3": ("adapters/state/", "adapters/conversations.py"),
    "subprocess": (
        "adapters/runtimes/",
        "adapters/git.py",
        "adapters/installed.py",
        "adapters/processes.py",
        "adapters/secrets.py",
        "cli/starting.py",
    ),
    "tokenizers": ("runner/mlx/",),
    "typer": ("cli/",),
    "uvicorn": ("daemon/run.py",),
    "watchfiles": ("adapters/folder_bells.py",),
}
MODULES = sorted(path.relative_to(LMCTL).as_posix() for path in LMCTL.rglob("*.py"))


def imports(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((LMCTL / module).read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def floor(dotted: str) -> int | None:
    parts = dotted.split(".")
    return (
        FLOORS.index(parts[1])
        if parts[0] == "lmctl" and parts[1:2] and parts[1] in FLOORS
        else None
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_downwards_stays_pure_uses_doors_and_is_short(module):
    own = floor(f"lmctl.{module.removesuffix('.py').replace('/', '.')}")
    for name in imports(module):
        other = floor(name)
        if own is not None and other is not None:
            assert other <= own, f"{module} imports {name} from a floor above"
        top = name.split(".")[0]
        if module.split("/")[0] in PURE:
            assert top not in IMPURE, f"{module} is in a pure room and imports {name}"
        if top in DOORS:
            assert module.startswith(DOORS[top]), f"{module} imports {name} past its door"
    assert len((LMCTL / module).read_text().splitlines()) <= 350


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_says_what_it_is_for_and_exports_nothing(room):
    tree = ast.parse((LMCTL / room / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


# Each contract of import-linter, shown once to break when it should.
BREAKS = [
    ("base/errors.py", "import lmctl.planning.plan", "Floors: import downwards only"),
    ("planning/fit/estimate.py", "import time", "Pure rooms wait for nothing"),
    ("serving/routes.py", "import llama_cpp", "One door: llama.cpp"),
    ("serving/routes.py", "import lmctl.manifests.bundle", "The data plane does not know"),
    ("adapters/state/store.py", "import lmctl.adapters.manifest_dir", "Adapters do not know"),
]


@pytest.mark.parametrize(("module", "line", "contract"), BREAKS)
def test_a_contract_breaks_when_it_should(module, line, contract, tmp_path):
    shutil.copytree(LMCTL, tmp_path / "lmctl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    target = tmp_path / "lmctl" / module
    target.write_text(f"{target.read_text()}\n{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [linter, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout
    [broken] = [each for each in ran.stdout.splitlines() if each.endswith("BROKEN")]
    assert broken.startswith(contract)


def test_every_step_has_a_rank_an_actuator_a_symbol_and_an_effect():
    steps = set(get_args(plan.Step))
    assert set(_RANK) == steps
    acting = (LMCTL / "daemon" / "act.py").read_text()
    effects = Path(worlds.__file__).read_text()
    for step in steps:
        assert f"case {step.__name__}():" in acting
        assert step.__name__ in effects
        verb = step.key.fget.__code__.co_consts  # the literal parts of its key
        words = {word for each in verb if isinstance(each, str) for word in each.split()}
        known = {*GLYPHS, "publish"}  # what is published is an update of the objects it is about
        assert words & known, f"{step.__name__} has no glyph"


def test_no_two_test_modules_have_the_same_name():
    """Pytest imports them by name alone: with two of a name the whole suite cannot be collected."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
