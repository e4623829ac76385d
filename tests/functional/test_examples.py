"""Every folder of examples is valid and can be planned, in this process and without a network."""

import re
from pathlib import Path

import pytest

from lmctl.adapters.home import Home
from lmctl.daemon.wiring import eyes
from lmctl.planning.observed import ObservedState
from lmctl.planning.planner import make_plan
from lmctl.planning.weights_values import FileSource
from lmctl.reconciler.reading import ReadResult, read_folders
from tests.support.worlds import carry_out

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(
    {EXAMPLES / path.relative_to(EXAMPLES).parts[0] for path in EXAMPLES.rglob("*.yaml")}
)


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request) -> Path:
    return request.param


@pytest.fixture
def result(folder, tmp_path) -> ReadResult:
    """What `lmctl validate` reads."""
    return read_folders([folder], eyes(Home(tmp_path), clock=lambda: 0.0).host())


def test_there_are_examples():
    assert {"echo", "quickstart"} <= {folder.name for folder in FOLDERS}


def test_it_is_read_whole_and_nothing_is_wrong_with_it(folder, result):
    assert [str(each) for each in result.problems] == []
    assert sorted(result.files) == sorted(str(path) for path in folder.rglob("*.yaml"))
    assert result.bundle.models
    assert result.bundle.instances


def test_its_plan_serves_every_instance_and_leaves_nothing_to_do(result):
    plan = make_plan(result.desired, ObservedState())
    subjects = {each.step.subject for each in plan.steps}
    assert {f"instance/{name}" for name in result.bundle.instances} <= subjects
    assert {f"model/{name}" for name in result.bundle.models} <= subjects
    assert {"server/gateway", "server/surface"} <= subjects

    world = ObservedState()
    for planned in plan.steps:
        world = carry_out(planned.step, world)

    assert make_plan(result.desired, world).empty


def test_the_files_it_names_are_there(result):
    for weights in result.desired.weights:
        for source in weights.sources:
            assert not isinstance(source, FileSource) or Path(source.path).is_file(), source


def test_the_schemas_it_names_are_there(folder):
    for path in folder.rglob("*.yaml"):
        named = re.search(r"\$schema=(\S+)", path.read_text())
        assert named, f"{path.name} names no schema for editors"
        assert (path.parent / named[1]).resolve().is_file(), path
