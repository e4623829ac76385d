"""What the engine of a runtime sees of the hardware, asked in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

import msgspec

from lmctl.base.errors import EngineFailed

_DEADLINE: Final = 60.0


class Device(msgspec.Struct, frozen=True):
    """Something an engine computes on; `memory` and what is `free` of it in bytes, 0 where not said."""

    name: str
    description: str
    kind: str
    memory: int = 0
    free: int = 0


class Hardware(msgspec.Struct, frozen=True):
    """Features of the processor an engine uses, and the devices it can compute on."""

    features: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()


def survey(engine: str, python: str, environment: Mapping[str, str]) -> Hardware:
    """Return what an engine sees from a Python, our own if empty, with these variables.

    Raises EngineFailed with its own last words.
    """
    try:
        done = subprocess.run(
            [python or sys.executable, "-m", "lmctl.runner.survey", engine],
            env={**os.environ, **environment},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EngineFailed("it does not answer") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise EngineFailed(said[-1] if said else f"it ended with {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Hardware)
