"""Runtimes are installed by pip, tried, and there only when they are whole. The packages are real, made
from the one that is installed here, and lie in a folder: nothing is asked of the network.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from lmctl.actuators.runtimes import RuntimeActuator
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled
from lmctl.planning.plan import EnsureRuntime
from lmctl.planning.wanted_runtimes import Build, WantedRuntime
from tests.support import engine_packages

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def packages(tmp_path, monkeypatch) -> Path:
    for name, value in engine_packages.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "links").mkdir()
    return tmp_path


@pytest.fixture
def actuator(tmp_path) -> RuntimeActuator:
    return RuntimeActuator(tmp_path / "home", features=lambda: ["avx2"], reveal=revealed)


def revealed(said: Mapping[str, Any]) -> str:
    """Return the secret of a reference that the daemon's environment has."""
    return os.environ[said["env"]]


def wanted(version: str, **build: object) -> WantedRuntime:
    return WantedRuntime("mine", "llama.cpp", Build(engine_packages.NAME, version, **build))


async def ensured(
    actuator: RuntimeActuator, runtime: WantedRuntime, told: Callable[[Progress], None] = print
) -> Outcome:
    return await actuator.ensure(EnsureRuntime(runtime), told)


def left(actuator: RuntimeActuator) -> list[Path]:
    """Return all that lies where environments are."""
    folder = actuator.environments.folder_of(wanted("0").build).parent
    return list(folder.iterdir()) if folder.exists() else []


async def test_a_runtime_is_installed_tested_and_then_seen(packages, actuator):
    engine_packages.wheel(packages, "99.1")
    runtime, told = wanted("99.1"), []
    assert actuator.seen([runtime]) == {}
    assert await ensured(actuator, runtime, told.append) == Done(
        "mine, llama-cpp-python 99.1, self-test passed"
    )
    assert actuator.seen([runtime])["mine"].version == "99.1"
    texts = [each.text for each in told]
    assert texts.index("installing") < texts.index("self-test") == len(texts) - 1
    [(path, installed)] = actuator.environments.all()
    assert str(installed) == "llama-cpp-python 99.1"
    assert installed.size > 1_000_000
    held = {each.name for each in path.glob("lib/python*/site-packages/*")}
    assert held == {"_lmctl.pth", "llama_cpp", "llama_cpp_python-99.1.dist-info"}
    assert left(actuator) == [path]
    for each in (packages / "links").iterdir():
        each.unlink()
    other = RuntimeActuator(packages / "other", features=lambda: ["avx2"], reveal=revealed)
    assert isinstance(await ensured(other, runtime), Done), "its wheel was not kept"


async def test_only_what_is_in_it_needs_another_installation(packages, actuator):
    engine_packages.wheel(packages, "99.1")
    folder = actuator.environments.folder_of(wanted("99.1").build)
    half = folder.with_name(f".{folder.name}.dead")  # what one that was killed left
    (half / "bin").mkdir(parents=True)
    assert actuator.seen([wanted("99.1")]) == {}
    await ensured(actuator, wanted("99.1"))
    assert left(actuator) == [folder]
    changed = wanted("99.1", environment={"OMP_NUM_THREADS": "1"})
    others = (changed, wanted("99.2"), wanted("99.1", flags=("-DX=1",)))
    assert not any(actuator.seen([each]) for each in others)
    told: list[Progress] = []
    assert isinstance(await ensured(actuator, changed, told.append), Done)
    assert "installing" not in [each.text for each in told]
    assert actuator.launch_of(changed.build).environment["OMP_NUM_THREADS"] == "1"


async def test_a_version_that_is_not_there_waits_for_an_edit(packages, actuator):
    outcome = await ensured(actuator, wanted("99.9"))
    assert isinstance(outcome, Stalled)
    assert outcome.reason.startswith("llama-cpp-python 99.9 is not on the package index; `lmctl")
    assert left(actuator) == []


async def test_an_index_that_is_not_reached_is_asked_again(packages, actuator, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    outcome = await ensured(actuator, wanted("99.9"))
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.TRANSIENT
    assert outcome.reason.startswith("the package index cannot be reached: ")


async def test_a_broken_library_is_found_out_before_it_is_in_place(packages, actuator):
    engine_packages.wheel(packages, "99.1", libllama=b"no library")
    outcome = await ensured(actuator, wanted("99.1"))
    assert isinstance(outcome, Stalled)
    assert outcome.reason.startswith("its self-test failed: ")
    assert "libllama.so" in outcome.reason
    assert left(actuator) == []
    assert actuator.seen([wanted("99.1")]) == {}


async def test_a_wheel_that_was_damaged_on_the_disk_is_fetched_again(packages, actuator):
    engine_packages.wheel(packages, "99.1")
    await ensured(actuator, wanted("99.1"))
    [kept] = (packages / "cache").rglob("*.whl")
    kept.write_bytes(kept.read_bytes()[:1000])
    other = RuntimeActuator(packages / "other", features=lambda: ["avx2"], reveal=revealed)
    outcome = await ensured(other, wanted("99.1"))
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.INTEGRITY, outcome.reason
    assert isinstance(await ensured(other, wanted("99.1")), Done)


async def test_a_package_without_the_engine_is_not_taken_for_the_bundled_one(packages, actuator):
    engine_packages.empty_wheel(packages, "99.1")
    outcome = await ensured(actuator, wanted("99.1"))
    assert outcome == Stalled(
        "llama-cpp-python 99.1 brings no llama.cpp: no llama_cpp/__init__.py came with it"
    )


async def test_flags_are_given_to_a_build_from_sources(packages, actuator):
    engine_packages.wheel(packages, "99.1")
    here = engine_packages.sources(packages, "99.1")
    (here / "go-on").touch()
    told: list[Progress] = []
    runtime = wanted("99.1", flags=("-DGGML_CUDA=ON", "-DX=a b"))
    assert isinstance(await ensured(actuator, runtime, told.append), Done)
    assert Progress("building, 1 of 2 files", 1.0, 2.0) in told
    log = (actuator.environments.folder_of(runtime.build).parents[1]) / "logs" / "runtime-mine.log"
    assert "-DGGML_CUDA=ON '-DX=a b'" in log.read_text()


async def test_a_build_that_fails_says_what_the_compiler_said(packages, actuator):
    here = engine_packages.sources(packages, "99.1")
    (here / "go-on").touch()
    (here / "fail").touch()
    outcome = await ensured(actuator, wanted("99.1"))
    assert isinstance(outcome, Stalled)
    assert "x.cpp:1:1: error: a semicolon is missing" in outcome.reason
    assert outcome.reason.endswith("runtime-mine.log)")


async def test_a_cancelled_build_ends_at_once_and_leaves_nothing(packages, actuator):
    here = engine_packages.sources(packages, "99.1")
    building = asyncio.Event()
    task = asyncio.create_task(
        ensured(actuator, wanted("99.1"), lambda each: each.done and building.set())
    )
    await building.wait()
    pid = int((here / "building").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)
    assert left(actuator) == []


async def test_two_installations_wait_for_each_other(packages, actuator):
    here = engine_packages.sources(packages, "99.1")
    engine_packages.wheel(packages, "99.2")
    building, waiting = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(
        ensured(actuator, wanted("99.1"), lambda each: each.done and building.set())
    )
    await building.wait()
    second = asyncio.create_task(
        ensured(
            actuator, wanted("99.2"), lambda each: each.text.startswith("wait") and waiting.set()
        )
    )
    await waiting.wait()
    assert len(left(actuator)) == 1
    (here / "go-on").touch()
    assert [type(each) for each in await asyncio.gather(first, second)] == [Done, Done]


async def test_a_self_test_that_crashes_is_told(packages, actuator):
    engine_packages.wheel(packages, "99.1", __init__=_CRASH)
    outcome = await ensured(actuator, wanted("99.1"))
    assert isinstance(outcome, Stalled)
    assert f"ended by signal {signal.SIGILL.value}" in outcome.reason


_CRASH = b"import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"


async def test_bundled_runtimes_are_tried_and_no_more(actuator):
    for name in ("llama.cpp", "echo"):
        runtime = WantedRuntime(name, name)
        assert isinstance(await ensured(actuator, runtime), Done)
        assert set(actuator.seen([])) >= {name}
    assert left(actuator) == []
