"""The header of a GGUF file: its metadata and tensor table, read without touching the weights.

The file is mapped and big arrays (vocabularies) are skipped, so a header of gigabytes of weights
takes well under a second. Files come from strangers: every count, length and offset is checked
against the file's size before it is used. Format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lmctl.base.errors import Refused

_KEEP: Final = 1024  # longer arrays are vocabularies; nothing here needs them
_SCALARS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_MOST: Final = 200_000  # tensors or entries; the largest models have some thousands
_STRING: Final = 8
_ARRAY: Final = 9
_DEEPEST: Final = 4
_SMALLEST_PAIR: Final = 8 + 4 + 1
_SMALLEST_TENSOR: Final = 8 + 4 + 4 + 8

# ggml type -> (name, values per block, bytes per block) (ggml.c, type_traits).
_TYPES: Final = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip


class NotGguf(Refused):
    """The file is no GGUF file, or a damaged one."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An array too long to keep: how many values it has."""

    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One row of the tensor table; `offset` counts from the start of the data."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def values(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Its bytes; a type this reader does not know counts as nothing."""
        _, per_block, block = _TYPES.get(self.type, ("", 1, 0))
        return self.values // per_block * block

    @property
    def type_name(self) -> str:
        """What its numbers are called, e.g. `Q4_K`; empty for a type this reader does not know."""
        return _TYPES.get(self.type, ("", 1, 0))[0]


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata by key (long arrays as `Skipped`) and the tensor table."""

    version: int
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]


def read(path: Path) -> Header:
    """Return the header of a GGUF file (versions 2 and 3, little-endian).

    Raises NotGguf, or OSError when it cannot be read.
    """
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise NotGguf(f"{path.name} is empty") from error
    with data:
        try:
            return _Reader(data).header()
        except _Damaged as error:
            raise NotGguf(
                f"{path.name} is not a usable GGUF file: {error}",
                hint="fetch it again, or check that the source is a GGUF model",
            ) from error


class _Damaged(Exception):
    pass


class _Reader:
    """Walks the header once; `_at` is the next byte."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._size = len(data)
        self._at = 0

    def header(self) -> Header:
        if self._take(4) != b"GGUF":
            raise _Damaged("it does not begin with `GGUF`")
        version = self._number(4)
        if version not in {2, 3}:
            raise _Damaged(f"version {version} is not known, expected 2 or 3")
        tensors, pairs = self._number(8), self._number(8)
        for count, each, what in (
            (tensors, _SMALLEST_TENSOR, "tensors"),
            (pairs, _SMALLEST_PAIR, "metadata entries"),
        ):
            self._must_fit(count * each, f"{count} {what}")
            if count > _MOST:
                raise _Damaged(f"{count} {what} are more than any model has")
        metadata = {}
        for _ in range(pairs):
            key = self._string()
            metadata[key] = self._value(self._number(4))
        return Header(version, metadata, tuple(self._tensor() for _ in range(tensors)))

    def _tensor(self) -> Tensor:
        name = self._string()
        dimensions = self._number(4)
        if dimensions > 8:
            raise _Damaged(f"tensor {name[:80]!r} has {dimensions} dimensions")
        shape = tuple(self._number(8) for _ in range(dimensions))
        return Tensor(name, shape, self._number(4), self._number(8))

    def _value(self, kind: int, depth: int = 0) -> Any:
        if scalar := _SCALARS.get(kind):
            return scalar.unpack(self._take(scalar.size))[0]
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            if depth == _DEEPEST:
                raise _Damaged("arrays are nested too deeply")
            return self._array(depth)
        raise _Damaged(f"value type {kind} is not known")

    def _array(self, depth: int) -> Any:
        kind = self._number(4)
        if scalar := _SCALARS.get(kind):
            count = self._count(scalar.size, "array values")
            if count > _KEEP:
                self._skip(count * scalar.size)
                return Skipped(count)
            return [scalar.unpack(self._take(scalar.size))[0] for _ in range(count)]
        count = self._count(8, "array values")
        if count <= _KEEP:
            return [self._value(kind, depth + 1) for _ in range(count)]
        if kind != _STRING:
            raise _Damaged(f"an array of {count} values of type {kind}")
        for _ in range(count):
            self._skip(self._number(8))
        return Skipped(count)

    def _string(self) -> str:
        return self._take(self._count(1, "characters")).decode("utf-8", "replace")

    def _count(self, each: int, what: str) -> int:
        """Read how many things of at least `each` bytes follow; no more than there is room for."""
        count = self._number(8)
        self._must_fit(count * each, f"{count} {what}")
        return count

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, size: int) -> bytes:
        start = self._at
        self._skip(size)
        return self._data[start : self._at]

    def _skip(self, size: int) -> None:
        self._must_fit(size, f"{size} bytes")
        self._at += size

    def _must_fit(self, size: int, what: str) -> None:
        if size > self._size - self._at:
            raise _Damaged(f"{what} at byte {self._at} do not fit in its {self._size} bytes")
