"""Whoever can reach another machine asks the one door out first (`lmctl/adapters/outbound`)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "lmctl"
REACHES_OUT = {"httpx2.AsyncClient", "httpx2.Client", "HfApi", "urlopen", "streamable_http_client"}
# These speak to unix sockets of this box, or have their client handed to them.
WITHIN = {
    "adapters/runner_client.py",
    "api/control.py",
    "cli/client.py",
}
THROUGH = {"adapters/weights/download.py", "adapters/weights/sizes.py"}  # by http_get.get
THROUGH |= {"adapters/weights/hub_search.py"}  # by hub.answered


def calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def runs_pip(tree):
    words = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "pip" in words and "-m" in words


def reaching():
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text())
        if REACHES_OUT.intersection(calls(tree)) or runs_pip(tree):
            yield path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", list(reaching()))
def test_a_module_that_reaches_out_asks_the_door(module):
    text = (ROOT / module).read_text()
    assert module in WITHIN | THROUGH or "lmctl.adapters.outbound import" in text, (
        f"{module} can reach another machine: call `leave_for` first"
    )
