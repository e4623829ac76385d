"""The folder in which the workers of one gateway share their counts.

prometheus-client looks for it when it is first imported, so it is made before any worker is.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

SHARED: Final = "PROMETHEUS_MULTIPROC_DIR"
_FOLDER: Final = "metrics-"


def share(run: Path) -> None:
    """Make a folder for the counts of this process' workers, before any of them is forked.

    What gateways left there that no longer live is removed.
    """
    for left in run.glob(f"{_FOLDER}*"):
        if not _lives(left.name.removeprefix(_FOLDER)):
            shutil.rmtree(left, ignore_errors=True)
    folder = run / f"{_FOLDER}{os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ[SHARED] = str(folder)


def forget(worker: int) -> None:
    """Stop counting what a worker that is gone had in flight; its totals stay."""
    folder = os.environ.get(SHARED)
    if folder is not None:
        for path in Path(folder).glob(f"gauge_live*_{worker}.db"):
            path.unlink(missing_ok=True)


def unshare() -> None:
    """Remove the folder at the end."""
    if SHARED in os.environ:
        shutil.rmtree(os.environ[SHARED], ignore_errors=True)


def _lives(pid: str) -> bool:
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    with suppress(ProcessLookupError):
        try:
            os.kill(int(pid), 0)
        except PermissionError:
            return True
        return True
    return False
