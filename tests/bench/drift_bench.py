"""How long drift lasts: from the fault to its event, and to Ready again, at the default periods.

python tests/bench/drift_bench.py [ROUNDS]
"""

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx2

from tests.support.asking import body
from tests.support.box import Box, box_in

SCRIPT = json.dumps({"reply": "a b c d", "hang_after_tokens": 2})


def edit_surface(box: Box) -> None:
    path = box.home.run / "surface.json"
    path.write_text(path.read_text().replace('"enabled":false', '"enabled":true'))


def delete_weights(box: Box) -> None:
    next(each for each in (box.home.root / "blobs").rglob("*") if each.is_file()).unlink()


def hang_engine(box: Box) -> None:
    def ask() -> None:
        httpx2.post(f"{box.url}/v1/chat/completions", json=body("hello"), timeout=120)

    Thread(target=ask, daemon=True).start()


def signalled(key: str, number: signal.Signals) -> Callable[[Box], None]:
    return lambda box: os.kill(box.pid(key), number)


FAULTS: dict[str, tuple[str, Callable[[Box], None]]] = {
    "runner killed": ("instance/chat", signalled("instance/chat", signal.SIGKILL)),
    "runner stopped": ("instance/chat", signalled("instance/chat", signal.SIGSTOP)),
    "engine hangs": ("instance/chat", hang_engine),
    "gateway killed": ("server/gateway", signalled("server/gateway", signal.SIGKILL)),
    "gateway stopped": ("server/gateway", signalled("server/gateway", signal.SIGSTOP)),
    "settings edited": ("server/surface", edit_surface),
    "weights deleted": ("model/acme/chat", delete_weights),
}


def measure(subject: str, fault: Callable[[Box], None]) -> tuple[float, float]:
    """Return the seconds until the drift was told and until everything was Ready again."""
    with tempfile.TemporaryDirectory() as folder, box_in(Path(folder)) as box:
        box.echo(script=SCRIPT if fault is hang_engine else "{}")
        box.apply()
        began = time.monotonic()
        fault(box)
        told = 0.0
        for status in box.client.watch():
            drifted = [each for each in box.client.events(0) if each.reason == "Drifted"]
            if not told and any(each.subject == subject for each in drifted):
                told = time.monotonic() - began
            if told and status.ready:
                break
            if time.monotonic() - began > 180:
                raise SystemExit(f"{subject}: nothing within three minutes")
        healed = time.monotonic() - began
        box.lmctl("daemon", "down")
        return told, healed


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    wanted = sys.argv[2:] or list(FAULTS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is taken down
    say(f"| fault | told after, median (worst of {rounds}) | Ready after |\n|---|---|---|")
    for name in wanted:
        subject, fault = FAULTS[name]
        found = [measure(subject, fault) for _ in range(rounds)]
        told, healed = zip(*found, strict=True)
        say(
            f"| {name} | {statistics.median(told):.1f} s ({max(told):.1f}) |"
            f" {statistics.median(healed):.1f} s ({max(healed):.1f}) |"
        )


if __name__ == "__main__":
    main()
