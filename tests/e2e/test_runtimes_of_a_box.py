"""Builds of llama.cpp side by side on one box, swapped under load, and what becomes of bad ones."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import psutil
import pytest

from lmctl.base.spec import RunnerSpec
from lmctl.planning.report import BoxStatus
from tests.support import engine_packages, tiny_llama
from tests.support.asking import PATIENCE
from tests.support.box import Box, box_in

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.timeout(900)]

LOAD = "{contextLength: 128, parallel: 2}"
FITTING, OTHER = "2026.9.11063", "2026.10.11549"  # of xllamacpp, for the bindings lmctl comes with
# llama.cpp of one version before, built as fast as it can be: nothing here waits for its speed.
OLDER = "0.3.35"
QUICKLY = ["-DGGML_NATIVE=OFF", "-DGGML_LLAMAFILE=OFF", "-DCMAKE_C_FLAGS_RELEASE=-O0",
           "-DCMAKE_CXX_FLAGS_RELEASE=-O0"]  # fmt: skip


@pytest.fixture
def box(tmp_path) -> Iterator[Box]:
    """A box with `plain`, which runs the bundled llama.cpp; pip knows the packages below `tmp_path`."""
    with box_in(tmp_path / "box") as made:
        weights = tiny_llama.write(tmp_path / "tiny.gguf")
        made.write(
            "models/tiny/model.yaml",
            f"""\
            model: acme/tiny
            base:
              - key: acme/tiny-gguf
                sources:
                  - {{type: file, path: "{weights}"}}
            """,
        )
        made.instance("plain", "acme/tiny", load=LOAD)
        yield made
        made.lmctl("daemon", "down")
        assert made.left_over() == [], "something outlived `lmctl daemon down`"


@pytest.fixture
def offline(box, tmp_path) -> Path:
    """Have pip know only what a test offers in this folder."""
    (tmp_path / "links").mkdir()
    box.env |= engine_packages.environment(tmp_path)
    return tmp_path


def declare(box: Box, name: str, version: str, **spec: str) -> None:
    fields = {"engine": "llama.cpp", "version": f'"{version}"', **spec}
    box.write(
        f"{name}.runtime.yaml",
        f"apiVersion: lmctl/v1alpha1\nkind: Runtime\nmetadata: {{name: {name}}}\n"
        f"spec: {{{', '.join(f'{key}: {value}' for key, value in fields.items())}}}\n",
    )


def answer(box: Box, name: str) -> tuple[str, str]:
    """Return what an instance says, and the version of the runtime it says it with."""
    asked = {"model": name, "prompt": "abc", "max_tokens": 4, "temperature": 0}
    got = httpx2.post(f"{box.url}/api/v0/completions", json=asked, timeout=PATIENCE)
    assert got.status_code == 200, got.text
    told = got.json()
    return told["choices"][0]["text"], told["runtime"]["version"]


def libraries(pid: int) -> set[str]:
    """Return the files of llama.cpp that a process has loaded."""
    names = ("libllama", "libggml", "libmtmd", "xllamacpp")
    paths = (each.path for each in psutil.Process(pid).memory_maps())
    return {each for each in paths if Path(each).name.startswith(names)}


def spec_of(box: Box, name: str) -> RunnerSpec:
    [path] = box.home.runners.glob(f"{name}@*/spec.json")
    return msgspec.json.decode(path.read_bytes(), type=RunnerSpec)


def state(status: BoxStatus, key: str) -> str:
    return next((each.state for each in status.objects if each.key == key), "")


def message(status: BoxStatus, key: str) -> str:
    return next((each.message for each in status.objects if each.key == key), "")


def test_two_versions_serve_side_by_side_and_a_new_pin_replaces_only_its_own(box, offline):
    engine_packages.wheel(offline, "99.1")
    engine_packages.wheel(offline, "99.2")
    box.env["LMCTL_OF_A_TEST"] = "hush"
    box.write(
        "server.yaml",
        f"listen: {{host: 127.0.0.1, port: {box.port}}}\nsecrets: {{told: {{env: LMCTL_OF_A_TEST}}}}\n",
    )
    declare(box, "mine", "99.1", environment='{OMP_WAIT_POLICY: passive, GIVEN: "${secret:told}!"}')
    box.instance("other", "acme/tiny", load=LOAD, runtime="mine")
    box.apply()
    assert answer(box, "plain")[0] == answer(box, "other")[0]
    assert (answer(box, "plain")[1], answer(box, "other")[1]) == ("0.3.36", "99.1")
    plain, other = box.pid("instance/plain"), box.pid("instance/other")
    environments = str(box.home.root / "environments")
    assert not any(each.startswith(environments) for each in libraries(plain))
    assert all(each.startswith(environments) for each in libraries(other)), "two builds in one"
    variables = psutil.Process(other).environ()
    assert (variables["OMP_WAIT_POLICY"], variables["GIVEN"]) == ("passive", "hush!")
    assert "hush" not in str(spec_of(box, "other")), "a secret was written down"

    said: list[tuple[str, str]] = []
    over = threading.Event()

    def ask_on() -> None:
        while not over.is_set():
            said.append(answer(box, "other"))

    box.lmctl("suspend", "--reason", "the plan is to be seen first")
    declare(box, "mine", "99.2", environment="{OMP_WAIT_POLICY: passive}")
    shown = box.lmctl("diff")
    assert "runtime: llama-cpp-python 99.1 -> llama-cpp-python 99.2" in shown.out
    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        box.lmctl("resume")
        box.apply()
    finally:
        over.set()
        asking.join()
    assert answer(box, "other")[1] == "99.2"
    assert box.pid("instance/plain") == plain
    assert box.pid("instance/other") != other
    assert len({text for text, _ in said}) == 1, "an answer was lost, or another one"


def test_one_is_got_chosen_and_updated_by_command(box, offline):
    engine_packages.wheel(offline, "99.1")
    box.apply()
    got = box.lmctl("runtime", "get", "--yes", "--name", "mine", "--json")
    assert (got.code, got.json["version"]) == (0, "99.1"), got.err
    assert "runtime/mine: installing" in got.err
    listed = {each["name"]: each for each in box.lmctl("runtime", "ls", "--json").json["runtimes"]}
    assert (listed["mine"]["state"], listed["mine"]["selected"]) == ("ready", False)
    assert box.lmctl("runtime", "select", "mine", "--yes").code == 0
    box.apply()
    assert answer(box, "plain")[1] == "99.1"

    engine_packages.wheel(offline, "99.2")
    updated = box.lmctl("runtime", "update", "mine", "--yes")
    assert updated.code == 0, updated.err
    box.apply()
    assert answer(box, "plain")[1] == "99.2"


def test_a_pin_that_does_not_work_leaves_what_serves(box, offline):
    engine_packages.wheel(offline, "99.1")
    engine_packages.wheel(offline, "99.2", libllama=b"no library")
    declare(box, "mine", "99.1")
    box.instance("other", "acme/tiny", load=LOAD, runtime="mine")
    box.apply()
    before = box.pid("instance/other")
    declare(box, "mine", "99.2")
    status = box.until(lambda status: state(status, "runtime/mine") == "Stalled")
    assert "its self-test failed: " in message(status, "runtime/mine")
    declare(box, "mine", "99.3")
    status = box.until(lambda status: "99.3" in message(status, "runtime/mine"))
    assert "is not on the package index" in message(status, "runtime/mine")
    assert (box.pid("instance/other"), answer(box, "other")[1]) == (before, "99.1")
    declare(box, "mine", "99.1")
    box.until(lambda status: state(status, "runtime/mine") == "Ready")
    assert box.pid("instance/other") == before


def test_a_daemon_killed_while_it_installs_is_followed_by_one_that_finishes(box, offline):
    here = engine_packages.sources(offline, "99.1")
    declare(box, "mine", "99.1")
    box.apply("--no-wait")
    box.until(lambda status: "building, 1 of 2 files" in message(status, "runtime/mine"))
    build = psutil.Process(int((here / "building").read_text()))
    box.kill(box.daemon_pid())
    assert not list((box.home.root / "environments").glob("[!.]*"))
    (here / "go-on").touch()
    build.wait(PATIENCE)
    box.apply()
    assert state(box.status(), "runtime/mine") == "Ready"
    assert len(list((box.home.root / "environments").iterdir())) == 1


def test_a_prebuilt_llama_cpp_serves_beside_the_bundled_one_and_one_that_does_not_fit_does_not(box):
    declare(box, "prebuilt", FITTING, package="xllamacpp")
    box.instance("other", "acme/tiny", load=LOAD, runtime="prebuilt")
    box.apply()
    assert answer(box, "plain")[0] == answer(box, "other")[0]
    assert (answer(box, "plain")[1], answer(box, "other")[1]) == ("0.3.36", FITTING)
    [library] = libraries(box.pid("instance/other"))
    assert Path(library).name == "xllamacpp.abi3.so", "the bundled one was loaded too"
    assert spec_of(box, "other").build == f"xllamacpp {FITTING}"

    before = box.pid("instance/other")
    declare(box, "prebuilt", OTHER, package="xllamacpp")
    status = box.until(lambda status: state(status, "runtime/prebuilt") == "Stalled")
    assert "does not fit the bindings" in message(status, "runtime/prebuilt")
    assert (box.pid("instance/other"), answer(box, "other")[1]) == (before, FITTING)


@pytest.mark.timeout(2400)  # two minutes of a machine with nothing else to do: builds come last
def test_an_older_llama_cpp_python_is_built_and_serves_beside_the_bundled_one(box):
    flags = ", ".join(f'"{each}"' for each in QUICKLY)
    declare(box, "older", OLDER, buildFlags=f"[{flags}]")
    box.instance("other", "acme/tiny", load=LOAD, runtime="older")
    done = box.lmctl("apply", "--yes", "--timeout", "38m", str(box.fleet), timeout=2300)
    assert done.code == 0, done.err + box.logs()
    assert answer(box, "plain")[0] == answer(box, "other")[0]
    assert (answer(box, "plain")[1], answer(box, "other")[1]) == ("0.3.36", OLDER)
