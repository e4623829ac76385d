"""Killed at every point where it hurts, the next daemon finishes what the files say."""

import pytest

from tests.support.crashes import check, edit_everything, gone

# The rest is met by tests/bench/crash_bench.py, which goes through all of them.
POINTS = (
    "file.written",
    "generation.kept",
    "generation.recorded",
    "journal.begun",
    "journal.acted",
    "blob.moved",
    "runner.specified",
    "runner.started",
    "runner.loaded",
    "runner.proven",
    "runner.drained",
    "gateway.started",
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def test_killed_at_every_point_the_next_daemon_converges(box):
    box.echo("calm")
    edit_everything(box, 0)
    box.apply()
    calm = box.pid("instance/calm")
    for number, point in enumerate(POINTS, start=1):
        box.kill(box.daemon_pid())
        event = 0
        up = box.lmctl("daemon", "up", LMCTL_FAULTS="1", LMCTL_FAULT=f"{point}:kill")
        if up.code == 0:
            event = max(each.id for each in box.client.events(0))
        edit_everything(box, number)
        assert gone(box), f"{point} was never reached"
        again = box.lmctl("daemon", "up")
        assert again.code == 0, f"{point}: {again.err}"
        status = box.until_ready(generation=number + 1)
        assert status.generation == number + 1, point
        check(box, instances=2, event=event)
        assert box.pid("instance/calm") == calm, point


def test_a_fault_is_refused_unless_it_is_meant(box):
    meant = box.lmctl("daemon", "run", LMCTL_FAULT="journal.begun:kill")
    assert meant.code == 2
    assert "would break this daemon on purpose" in meant.err
    unknown = box.lmctl("daemon", "run", LMCTL_FAULTS="1", LMCTL_FAULT="nowhere:kill")
    assert unknown.code == 2
    assert "is no fault" in unknown.err
