"""A file on its way in: bytes at any offset, what of it is here, and a note that lets the next try resume.

    <identity>.part     the bytes; what did not come yet is a hole
    <identity>.ranges   which bytes came, with a checksum of each piece as it was received
    <identity>.json     where they came from

All survive a killed process. A piece counts as here only while the disk gives back what was
received, so bytes that a power cut or a bad disk took are fetched again, and no others.
"""

import errno
import hashlib
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from lmctl.adapters.files import write_atomically

_CHUNK: Final = 1024 * 1024
_PIECE: Final = struct.Struct("<QII")  # offset, length, crc32

# What a resumed file is behind is made up in steps, so that no connection is held up for long.
_AT_A_TIME: Final = 256 * 1024 * 1024

Check = Callable[[], None]
"""Called between pieces of long work; raises when that is to end."""
Span = tuple[int, int]
"""From the first byte to the one after the last."""


class Note(msgspec.Struct, frozen=True):
    """Which bytes these are: `origin` is a digest of the address (never the address: it may carry
    a secret), `validator` the server's strong ETag or its Last-Modified date.
    """

    origin: str
    validator: str | None = None


class _Piece(NamedTuple):
    offset: int
    length: int
    crc: int


class PartialFile:
    """An open partial. Only the holder of the partial's lock may have one; methods block, and may be
    called by several threads.
    """

    def __init__(self, check: Check, path: Path) -> None:
        """Open what is there, or an empty file, and read it once; `check` is called between pieces and
        may raise to end that.
        """
        self.path = path
        self._notes, self._list = path.with_suffix(".json"), path.with_suffix(".ranges")
        self._guard = threading.Lock()
        self._hashing, self._noting = threading.Lock(), threading.Lock()
        fresh = not path.exists()
        listed = self._list.exists()
        # The list is there before the first byte is, so bytes without one are an earlier version's.
        self._journal = os.open(self._list, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._whole_pieces_only()
        self._forget_pieces()
        self.note = self._read_note()
        try:
            if not listed and not fresh:
                self._adopt()
            for each in _pieces(self._list) if listed else ():
                check()
                self._recount(each)
        except BaseException:
            os.close(self._file)
            os.close(self._journal)
            raise

    @property
    def have(self) -> int:
        """The bytes that are here."""
        with self._guard:
            return sum(end - start for start, end in self._spans)

    @property
    def prefix(self) -> int:
        """The bytes that are here without a hole, from the first on."""
        with self._guard:
            return self._spans[0][1] if self._spans and self._spans[0][0] == 0 else 0

    def missing(self, size: int) -> list[Span]:
        """Return the holes of a file of `size` bytes."""
        with self._guard:
            edges = [0, *(edge for span in self._spans for edge in span), size]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(start, end) for start, end in pairs if start < end]

    def write(self, offset: int, chunk: bytes) -> None:
        """Put bytes in their place; they count once the list has them, too."""
        rest, at = memoryview(chunk), offset
        while rest:
            written = os.pwrite(self._file, rest, at)
            rest, at = rest[written:], at + written
        piece = _Piece(offset, len(chunk), zlib.crc32(chunk))
        if chunk:
            with self._guard:
                self._append(piece)
                self._count(piece)

    def annotate(self, note: Note) -> None:
        """Remember where the bytes come from."""
        with self._noting:
            if note != self.note:
                write_atomically(self._notes, msgspec.json.encode(note))
                self.note = note

    def restart(self) -> None:
        """Throw the bytes away and begin at nothing."""
        self._notes.unlink(missing_ok=True)
        with self._guard:
            os.ftruncate(self._journal, 0)
            os.ftruncate(self._file, 0)
            self._forget_pieces()
        self.note = None

    def recheck(self, check: Check) -> int:
        """Read every piece again; return how many bytes are not what was received. They are missing
        from now on.
        """
        with self._guard:
            pieces, before = self._pieces, sum(end - start for start, end in self._spans)
            self._forget_pieces()
            for each in pieces:
                check()
                self._recount(each)
            return max(before - sum(end - start for start, end in self._spans), 0)

    def catch_up(self) -> None:
        """Hash some of what came since the last time, as far as there is no hole, unless somebody does."""
        if self._hashing.acquire(blocking=False):
            try:
                self._hash_on(self._hashed + _AT_A_TIME, _go_on)
            finally:
                self._hashing.release()

    def sha256(self, check: Check) -> str:
        """Return the sha256 of the bytes from the first to the first hole."""
        with self._hashing:
            self._hash_on(self.prefix, check)
            return self._hash.hexdigest()

    def git_sha1(self) -> str:
        """Return git's blob id of the bytes so far (reads the file again; meant for small ones)."""
        found = hashlib.sha1(b"blob %d\0" % self.prefix, usedforsecurity=False)
        for chunk in self._read(0, self.prefix):
            found.update(chunk)
        return found.hexdigest()

    def finish(self) -> None:
        """Cut off what lies behind the first hole: the file is handed over as it is."""
        os.ftruncate(self._file, self.prefix)

    def close(self) -> None:
        """Close the file; the bytes stay for the next try, if there are any."""
        os.close(self._file)
        os.close(self._journal)
        if not self._spans:
            self.path.unlink(missing_ok=True)
            self._list.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove list and note: the bytes have been taken over as something else."""
        self._notes.unlink(missing_ok=True)
        self._list.unlink(missing_ok=True)

    def _hash_on(self, end: int, check: Check) -> None:
        for chunk in self._read(self._hashed, min(end, self.prefix)):
            check()
            self._hash.update(chunk)
            self._hashed += len(chunk)

    def _forget_pieces(self) -> None:
        self._pieces: list[_Piece] = []
        self._spans: list[Span] = []
        self._hash, self._hashed = hashlib.sha256(), 0

    def _append(self, piece: _Piece) -> None:
        """Add a piece to the list, whole or not at all: a full disk must not leave half of one."""
        if os.write(self._journal, _PIECE.pack(*piece)) < _PIECE.size:
            self._whole_pieces_only()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _whole_pieces_only(self) -> None:
        """Take a last piece that was not written whole off the list: the next one must follow the rest."""
        length = os.fstat(self._journal).st_size
        os.ftruncate(self._journal, length - length % _PIECE.size)

    def _count(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        start, end = piece.offset, piece.offset + piece.length
        apart = [each for each in self._spans if each[1] < start or end < each[0]]
        joined = [each for each in self._spans if each[1] >= start and end >= each[0]]
        whole = (min([start, *(a for a, _ in joined)]), max([end, *(b for _, b in joined)]))
        self._spans = sorted([*apart, whole])

    def _recount(self, piece: _Piece) -> None:
        """Count a piece if the disk gives back what was received."""
        if self._crc(piece) == piece.crc:
            self._count(piece)

    def _crc(self, piece: _Piece) -> int | None:
        """Return the checksum of what the disk has there; None where it has less or cannot read."""
        found, length = 0, 0
        try:
            for chunk in self._read(piece.offset, piece.offset + piece.length):
                found, length = zlib.crc32(chunk, found), length + len(chunk)
        except OSError:
            return None
        return found if length == piece.length else None

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end and (chunk := os.pread(self._file, min(_CHUNK, end - start), start)):
            yield chunk
            start += len(chunk)

    def _adopt(self) -> None:
        """Take over what an earlier version wrote, front to back and without a list."""
        for number, chunk in enumerate(self._read(0, os.fstat(self._file).st_size)):
            piece = _Piece(number * _CHUNK, len(chunk), zlib.crc32(chunk))
            self._append(piece)
            self._count(piece)

    def _read_note(self) -> Note | None:
        try:
            return msgspec.json.decode(self._notes.read_bytes(), type=Note)
        except (FileNotFoundError, msgspec.DecodeError):
            return (
                None  # bytes of unknown origin: the download decides whether a hash can judge them
            )


def _go_on() -> None:
    """Let work go on."""


def arrived(path: Path) -> int:
    """Return how many bytes of a partial came, as far as its list tells without reading them."""
    spans = [
        (each.offset, each.offset + each.length) for each in _pieces(path.with_suffix(".ranges"))
    ]
    total = reached = 0
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


def _pieces(path: Path) -> list[_Piece]:
    """Return what a list says; a last piece that was not written whole does not count."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = len(content) - len(content) % _PIECE.size
    return [_Piece(*each) for each in _PIECE.iter_unpack(content[:whole])]
