"""The clients of Node against a box with real weights: `openai`, and `ai` with its provider for
OpenAI's dialect (tests/node).
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.box import box_in
from tests.support.models import smollm2
from tests.support.node import NODE, node_packages

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.engine,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node with npm"),
]


@pytest.fixture(scope="module")
def clients() -> Path:
    """The tests beside the packages they use, installed once per machine and lock file."""
    return node_packages()


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with box_in(tmp_path_factory.mktemp("node")) as made:
        made.smollm2(smollm2())
        made.instance(
            "chat",
            "acme/smollm2",
            load="{contextLength: 1024, parallel: 2}",
            operation="{contextOverflowPolicy: stopAtLimit}",
        )
        made.echo("script")
        made.apply()
        yield made


def test_what_they_do_works(clients, box):
    shutil.copy(NODE / "clients.test.mjs", clients)
    ran = subprocess.run(
        ["node", "--test", "--test-reporter", "spec", "clients.test.mjs"],
        cwd=clients,
        env={**os.environ, "LMCTL_TEST_URL": f"{box.url}/v1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
