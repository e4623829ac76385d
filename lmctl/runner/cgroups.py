"""What the control groups around this process allow it: memory and processor time, both versions.

A limit may stand on any group on the way up, so all are read and the tightest counts. What is not
there, or not readable, limits nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_UNLIMITED: Final = 2**60  # version 1 says "none" as the largest number of whole pages


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The tightest limit, and what its group uses that cannot be reclaimed; both in bytes."""

    limit: int
    used: int


def memory(root: Path = Path("/")) -> MemoryGroup | None:
    """Return the tightest memory limit around this process, or None where there is none."""
    found = [each for folder in _folders(root, "memory") if (each := _memory_of(folder))]
    return min(found, key=lambda group: group.limit - group.used, default=None)


def processors(root: Path = Path("/")) -> float | None:
    """Return how many processors' time the groups allow, or None where there is no quota."""
    found = [each for folder in _folders(root, "cpu") if (each := _quota_of(folder))]
    return min(found, default=None)


def _memory_of(folder: Path) -> MemoryGroup | None:
    limits = [_number(folder / name) for name in ("memory.max", "memory.high")]
    limits.append(_number(folder / "memory.limit_in_bytes"))
    limit = min((each for each in limits if each is not None), default=_UNLIMITED)
    if limit >= _UNLIMITED:
        return None
    used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes") or 0
    return MemoryGroup(limit, max(0, used - _reclaimable(folder)))


def _reclaimable(folder: Path) -> int:
    """Return the bytes of the page cache: version 1 says those of groups below under `total_`."""
    said = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
    names = ("inactive_file", "active_file")
    prefix = "total_" if "total_inactive_file" in said else ""
    numbers = [said.get(prefix + name, "0").strip() for name in names]
    return sum(int(each) for each in numbers if each.isdigit())


def _quota_of(folder: Path) -> float | None:
    if parts := _text(folder / "cpu.max").split():
        quota, period = parts[0], parts[-1]
    else:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    if not (quota.isdigit() and period.isdigit() and int(period) and int(quota)):
        return None  # `max`, -1, or nothing there
    return int(quota) / int(period)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups that have a controller, innermost first."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        unified = number == "0" and not controllers
        if not (unified or controller in controllers.split(",")):
            continue
        for mount, inside in _mounts(root, None if unified else controller):
            below = _below(path, inside)
            if below is None:
                continue
            top = root / mount.lstrip("/")
            folder = top / below
            yield from (each for each in (folder, *folder.parents) if each.is_relative_to(top))


def _mounts(root: Path, controller: str | None) -> Iterator[tuple[str, str]]:
    """Yield where the groups of a controller (None: version 2) are mounted, and which group that is."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, (kind, *more) = before.split(), after.split() or [""]
        if len(fields) < 5:
            continue
        second = kind == "cgroup2" and controller is None
        if second or (kind == "cgroup" and controller in more[-1].split(",")):
            yield fields[4], fields[3]


def _below(path: str, inside: str) -> str | None:
    """Return a group's path below the group that is mounted; None when it is elsewhere."""
    if inside in ("/", path):
        return path.lstrip("/") if inside == "/" else ""
    return path[len(inside) + 1 :] if path.startswith(f"{inside}/") else None


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
