"""A failed replacement is remembered by what was tried, until somebody asks for another try."""

from lmctl.adapters.runner_folders import Failure, folder_of, forgive_failures
from lmctl.base.spec import FailureKind, LoadSettings, RunnerSpec


def left_by(runners, name, *, proven=False, failed=True):
    spec = RunnerSpec(
        name, "u1", "echo", "acme/m", f"{name}-digest", (), LoadSettings(), "/s", attempt="this"
    )
    folder = folder_of(runners, name, spec.spec_digest)
    folder.create()
    folder.write(spec)
    if failed:
        folder.note_failure(Failure(FailureKind.CONFIG, "its checks failed"))
    if proven:
        folder.note_proven("checks")
    return folder


def test_only_what_never_came_up_is_tried_again(tmp_path):
    failed = left_by(tmp_path, "failed")
    crashed = left_by(tmp_path, "crashed", proven=True)
    serving = left_by(tmp_path, "serving", proven=True, failed=False)

    forgive_failures(tmp_path)

    assert [each.spec().attempt for each in (failed, crashed, serving)] == ["", "this", "this"]
