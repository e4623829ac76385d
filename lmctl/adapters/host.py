"""This machine as a profile: processors, memory and disk, as far as we may use them."""

import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from lmctl.planning.host_profile import Cores, Disk, HostProfile, Memory, object_name
from lmctl.runner import cgroups

LABELS: Final = "LMCTL_LABELS"
"""Environment variable with labels of this machine: `zone=lab,power=mains`."""
_FEATURES: Final = ("avx2", "avx512f", "asimddp")


def look(
    home: Path,
    *,
    ours: Iterable[int] = (),
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> HostProfile:
    """Return what this machine has. `ours` are the pids of runners, whose memory is no other's.

    Devices with memory of their own are not counted: this version's engine does not use them.
    """
    return HostProfile(
        name=object_name(platform.node()),
        os=platform.system().lower(),
        arch=platform.machine().lower(),
        cores=_cores(root),
        memory=_memory(ours, root),
        disk=_disk(home),
        labels=_labels((os.environ if environment is None else environment).get(LABELS, "")),
    )


def _cores(root: Path) -> Cores:
    logical = psutil.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quota = cgroups.processors(root)
    usable = float(allowed) if quota is None else min(float(allowed), quota)
    return Cores(logical, physical, usable, _features(root))


def _features(root: Path) -> tuple[str, ...]:
    if platform.machine() == "arm64":  # macOS says nothing in /proc; every Apple chip has it
        return ("asimddp",)
    said: set[str] = set()
    with suppress(OSError):
        for line in (root / "proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                said.update(line.partition(":")[2].split())
                break
    return tuple(each for each in _FEATURES if each in said)


def _memory(ours: Iterable[int], root: Path) -> Memory:
    seen = psutil.virtual_memory()
    private = sum(_private(pid) for pid in ours)
    others = max(0, seen.total - seen.available - private)
    limit = seen.total
    group = cgroups.memory(root)
    if group is not None and group.limit < seen.total:
        limit = group.limit
        # Whichever runs short first: our group, or the machine it is on.
        others = max(0, group.used - private, limit - seen.total + others)
    return Memory(seen.total, limit, min(others, limit), psutil.swap_memory().total)


def _private(pid: int) -> int:
    """Return the bytes of a process that are not pages of files, 0 when it is gone."""
    try:
        seen = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return max(0, int(seen.rss) - int(getattr(seen, "shared", 0)))


def _disk(home: Path) -> Disk:
    """Look at the disk a home is, or would be made, on."""
    there = next(each for each in (home, *home.parents) if each.exists())
    seen = shutil.disk_usage(there)
    return Disk(seen.total, seen.free)


def _labels(said: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in said.split(",") if "=" in each)
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
