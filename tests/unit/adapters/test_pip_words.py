"""What pip says, for people."""

import pytest

from lmctl.adapters.runtimes.pip_words import failure, progress_of
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.wanted_runtimes import Build

BUILD = Build("llama-cpp-python", "0.3.35")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Collecting llama-cpp-python==0.3.35", Progress("asking the index")),
        (
            "  Downloading llama_cpp_python-0.3.35.tar.gz (74.9 MB)",
            Progress("downloading llama_cpp_python-0.3.35.tar.gz, 74.9 MB"),
        ),
        ("  Downloading https://x.example/a/b.whl#sha256=0", Progress("downloading b.whl")),
        ("Progress 16384 of 74868054", Progress("downloading", 16384.0, 74868054.0)),
        ("  [12/255] /usr/bin/g++ -DX", Progress("building, 12 of 255 files", 12.0, 255.0)),
        ("  *** Configuring CMake...", Progress("configuring the build")),
        ("  -- Found OpenMP", None),
    ],
)
def test_how_far_it_is(line, told):
    assert progress_of(line) == told


@pytest.mark.parametrize(
    ("lines", "kind", "says"),
    [
        (["OSError: [Errno 28] No space left on device"], FailureKind.CAPACITY, "there is no room"),
        (
            [
                "WARNING: Retrying: NewConnectionError: Failed to establish a new connection",
                "ERROR: No matching distribution found for llama-cpp-python==0.3.35",
            ],
            FailureKind.TRANSIENT,
            "the package index cannot be reached",
        ),
        (
            ["ERROR: No matching distribution found for llama-cpp-python==0.3.35"],
            FailureKind.CONFIG,
            "llama-cpp-python 0.3.35 is not on the package index",
        ),
        (
            ["  No CMAKE_CXX_COMPILER could be found.", "ERROR: Failed building wheel for x"],
            FailureKind.CONFIG,
            "there is no compiler",
        ),
        (
            [
                "  a.cpp:1:2: error: expected ';'",
                "  ninja: build stopped: subcommand failed.",
                "  error: subprocess-exited-with-error",
                "  note: This error originates from a subprocess, and is likely not with pip.",
                "ERROR: Failed building wheel for x",
            ],
            FailureKind.CONFIG,
            "could not be installed: a.cpp:1:2: error: expected ';'",
        ),
        (["something odd"], FailureKind.CONFIG, "could not be installed: something odd"),
    ],
)
def test_why_it_failed(lines, kind, says):
    error = failure(BUILD, lines)
    assert error.kind is kind
    assert says in str(error)
    assert "subprocess" not in str(error)
