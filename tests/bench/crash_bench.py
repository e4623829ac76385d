"""Kills the daemon over and over and checks what must hold of the box afterwards.

    .venv/bin/python tests/bench/crash_bench.py [RANDOM_KILLS]

First once at every fault point, then at random moments while edits, rollbacks and suspensions go on.
Prints what it found; ends with exit code 1 at the first thing that does not hold.
"""

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lmctl.base.faults import POINTS
from tests.support.box import Box, box_in
from tests.support.crashes import check, edit_everything, gone

MET = 20.0  # seconds until a fault point must have been met, if it will be
LONGEST = 1.5  # seconds from an edit to a random kill; an edit takes about as long


def main(kills: int) -> None:
    seed = random.randrange(2**32)
    _say(f"seed {seed}")
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="lmctl-crash-") as folder, box_in(Path(folder)) as box:
        box.echo("calm")
        edit_everything(box, 0)
        box.apply()
        calm = box.pid("instance/calm")
        number, took = 0, []
        for point in POINTS:
            number += 1
            took.append(_at(box, point, number, calm))
        _tell(f"every one of {len(POINTS)} fault points", took)
        took = []
        for _ in range(kills):
            number += 1
            took.append(_at_random(box, number, calm, dice))
        _tell(f"{kills} random kill -9", took)


def _at(box: Box, point: str, number: int, calm: int) -> float:
    box.kill(box.daemon_pid())
    up = box.lmctl("daemon", "up", LMCTL_FAULTS="1", LMCTL_FAULT=f"{point}:kill")
    event = _told(box) if up.code == 0 else 0
    edit_everything(box, number)
    if not gone(box, seconds=MET):
        # A step that is superseded ends before its last point; then the edit must be done anyway.
        _say(f"{point} was not met: its step had been superseded")
        box.until_ready(generation=number + 1)
        box.kill(box.daemon_pid())
    return _recover(box, calm, event=event)


def _at_random(box: Box, number: int, calm: int, dice: random.Random) -> float:
    edit_everything(box, number, strategy=dice.choice(("surge", "drain", "auto")))
    held = dice.random() < 0.2 and _rolled_back(box)
    suspended = dice.random() < 0.2
    if suspended:
        assert box.lmctl("suspend", "instance/calm", "--reason", "bench").code == 0
    time.sleep(dice.uniform(0.0, LONGEST))
    event = _told(box)
    box.kill(box.daemon_pid())
    seconds = _recover(box, calm, event=event, held=held, suspended=suspended)
    if held or suspended:
        assert box.lmctl("resume").code == 0
        box.until_ready()
    return seconds


def _rolled_back(box: Box) -> bool:
    """Go back to what converged last; True when that was acknowledged."""
    return box.lmctl("rollback", "--yes", "--no-wait").code == 0


def _recover(
    box: Box, calm: int, *, event: int, held: bool = False, suspended: bool = False
) -> float:
    """Start the next daemon; return the seconds until the box is as declared."""
    began = time.monotonic()
    up = box.lmctl("daemon", "up")
    assert up.code == 0, up.err
    status = box.until(lambda s: _settled(s, suspended=suspended))
    seconds = time.monotonic() - began
    assert (status.hold is not None) == held, "an acknowledged rollback was lost"
    assert ("instance/calm" in status.suspended) == suspended, "a suspension was lost"
    check(box, instances=2, event=event, url=status.url)
    assert box.pid("instance/calm") == calm, "a neighbour was restarted"
    return seconds


def _settled(status: object, *, suspended: bool) -> bool:
    aside = {"instance/calm"} if suspended else set()
    objects = [each for each in status.objects if each.key not in aside]  # type: ignore[attr-defined]
    return bool(objects) and not status.steps and all(each.ready for each in objects)  # type: ignore[attr-defined]


def _told(box: Box) -> int:
    return max((each.id for each in box.client.events(0)), default=0)


def _tell(what: str, took: list[float]) -> None:
    if took:
        _say(
            f"{what}: converged every time, nothing twice, nothing lost, neighbour untouched; "
            f"start to ready {statistics.median(took):.1f}s median, {max(took):.1f}s at most"
        )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
