"""Sizes, durations and times as people write them (`8Gi`, `15m`): parsed once, numbers ever after."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from typing import Final

_SIZES: Final = {
    "": 1,
    "K": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "T": 1000**4,
    "Ki": 1024,
    "Mi": 1024**2,
    "Gi": 1024**3,
    "Ti": 1024**4,
}
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d+)?)\s*([KMGT]i?|)B?")
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d+)?(?:ms|[smhd]))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")


def parse_size(text: object) -> int:
    """Read `8Gi`, `512M` or a bare number of bytes; return bytes.

    Raises ValueError naming the expected form.
    """
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    if not isinstance(text, str) or not (found := _SIZE.fullmatch(text.strip())):
        raise ValueError("expected a size such as 512Mi or 8Gi")
    number, unit = found.groups()
    return int(float(number) * _SIZES[unit])


def parse_duration(text: object) -> float:
    """Read `15m`, `1h30m`, `250ms` or a bare number of seconds; return seconds.

    Raises ValueError naming the expected form.
    """
    if isinstance(text, int | float) and not isinstance(text, bool) and 0 <= text < inf:
        return float(text)
    if not isinstance(text, str) or not _DURATION.fullmatch(text.strip()):
        raise ValueError("expected a duration such as 30s, 15m or 1h30m")
    return sum(float(n) * _SECONDS[unit] for n, unit in _DURATION_PART.findall(text.strip()))


def write_size(size: int) -> str:
    """Return bytes as a manifest would say them, exactly: `4Gi`, `32Mi`, `1500`."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def write_duration(seconds: float) -> str:
    """Return seconds as a manifest would say them, exactly: `1h30m`, `7d`, `250ms`, `0s`."""
    left = round(seconds * 1000)
    words = ""
    for unit, scale in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        whole, left = divmod(left, scale)
        words += f"{whole}{unit}" if whole else ""
    return words or "0s"


def format_size(size: float) -> str:
    """Return bytes as people read them: `93.8 MiB`, `4.6 GiB`, `512 B`."""
    for unit, scale in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} B"


def exact_size(size: int) -> str | int:
    """Return bytes in the largest unit that is exact: `16Gi`, `812Mi`, or the bare number."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return size


def format_duration(seconds: float) -> str:
    """Return seconds as people read them: `0.8s`, `45s`, `3m20s`, `2h05m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


@lru_cache(maxsize=4_096)
def format_time(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339: `2026-11-25T08:30:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
