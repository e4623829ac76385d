"""What a machine has to offer, as a value: looked at here, or read from a file of another box."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec


class Memory(msgspec.Struct, frozen=True):
    """Memory in bytes. `limit` is what the machine, or the control group around us, gives us at
    most; `others` is what is taken of it by everything but runners, and cannot be reclaimed.
    """

    total: int
    limit: int
    others: int = 0
    swap: int = 0

    @property
    def limited(self) -> bool:
        """Say whether a control group gives less than the machine has."""
        return self.limit < self.total


class Cores(msgspec.Struct, frozen=True):
    """Processors. `usable` is how many we may keep busy at once: a fraction under a quota;
    `features` are the instruction sets that decide how weights are laid out in memory.
    """

    logical: int
    physical: int
    usable: float
    features: tuple[str, ...] = ()


class Disk(msgspec.Struct, frozen=True):
    """The disk that holds lmctl's home, in bytes."""

    total: int
    free: int


class Gpu(msgspec.Struct, frozen=True):
    """A device with memory of its own, in bytes."""

    name: str
    memory: int


class HostProfile(msgspec.Struct, frozen=True):
    """A machine. `labels` are what instances may ask for in `placement.labels`."""

    name: str
    os: str
    arch: str
    cores: Cores
    memory: Memory
    disk: Disk
    gpus: tuple[Gpu, ...] = ()
    labels: Mapping[str, str] = {}


_LONGEST_NAME: Final = 63


def object_name(hostname: str) -> str:
    """Return a machine's name as objects may be called; `box` where nothing of it is left."""
    name = re.sub(r"[^a-z0-9]+", "-", hostname.lower())[:_LONGEST_NAME].strip("-")
    return name or "box"
