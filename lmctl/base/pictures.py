"""How large an encoded picture is, from its first bytes: known before anything decodes it."""

import struct
from collections.abc import Iterator
from typing import Final

KINDS: Final = "PNG, JPEG, GIF or BMP"
_OLD_BMP: Final = (12).to_bytes(4, "little")  # its header is as long; it counts in 16 bits
_JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})


def size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, None for bytes that are no picture of a kind we read."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return _numbers(">II", data, 16)
        if data.startswith((b"GIF87a", b"GIF89a")):
            return _numbers("<HH", data, 6)
        if data.startswith(b"BM"):
            old = data[14:18] == _OLD_BMP
            width, height = _numbers("<HH" if old else "<ii", data, 18)
            return abs(width), abs(height)
        if data.startswith(b"\xff\xd8\xff"):
            return next(_jpeg_sizes(data), None)
    except struct.error:
        return None
    return None


def _numbers(form: str, data: bytes, offset: int) -> tuple[int, int]:
    one, other = struct.unpack_from(form, data, offset)
    return int(one), int(other)


def _jpeg_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the size each frame header tells, walking from segment to segment."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind in _JPEG_SIZES:
            height, width = _numbers(">HH", data, at + 5)
            yield width, height
        bare = kind in _JPEG_BARE or kind == 0xFF
        at += 1 if kind == 0xFF else 2
        if not bare:
            at += struct.unpack_from(">H", data, at)[0]
