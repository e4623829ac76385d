"""The clients of Node against a box with real weights: `openai`, and `ai` with its provider for
OpenAI's dialect (tests/node).
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import NODE, node_packages
from tests.support.pictures import GREEN, png
from tests.support.real_box import AT_ONCE, READER, TOKEN, real_box

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
    with real_box(tmp_path_factory.mktemp("node")) as made:
        yield made


def test_what_they_do_works(clients, box, tmp_path):
    shutil.copy(NODE / "clients.test.mjs", clients)
    picture = tmp_path / "green.png"
    picture.write_bytes(png(GREEN))
    ran = subprocess.run(
        ["node", "--test", "--test-reporter", "spec", "clients.test.mjs"],
        cwd=clients,
        env={
            **os.environ,
            "LMCTL_TEST_URL": f"{box.url}/v1",
            "LMCTL_TEST_TOKEN": TOKEN,
            "LMCTL_TEST_READER": READER,
            "LMCTL_TEST_AT_ONCE": str(AT_ONCE),
            "LMCTL_TEST_PICTURE": str(picture),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
