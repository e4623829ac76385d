"""The self-test of an engine, over the library that comes with lmctl and over wrong ones."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from lmctl.base.spec import LLAMA_LIBRARY, LLAMA_PACKAGE

pytestmark = pytest.mark.engine

OWN = Path(str(distribution("llama-cpp-python").locate_file("llama_cpp/lib")))


def tried(engine: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lmctl.runner.self_test", engine],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def borrowing(library: Path) -> dict[str, str]:
    return {LLAMA_LIBRARY: str(library), LLAMA_PACKAGE: "borrowed 1.2"}


def test_the_bundled_engine_counts():
    done = tried("llama.cpp")
    assert (done.returncode, done.stdout.split()[0]) == (0, "llama-cpp-python"), done.stderr


def test_a_library_that_lacks_what_is_used_is_refused():
    done = tried("llama.cpp", **borrowing(next(OWN.glob("libggml-base.*"))))
    assert done.returncode == 1
    assert "borrowed 1.2 has no llama_" in done.stderr.splitlines()[-1]


def test_what_is_no_library_is_refused(tmp_path):
    (tmp_path / "libx.so").write_bytes(b"no library")
    done = tried("llama.cpp", **borrowing(tmp_path / "libx.so"))
    assert done.returncode == 1
    assert "libllama" in done.stderr.splitlines()[-1]
