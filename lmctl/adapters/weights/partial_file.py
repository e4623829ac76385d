"""A file on its way in: its bytes, their running sha256, and a note that lets the next try resume.

`<identity>.part` has the bytes, `<identity>.json` says where they came from. Both survive a
killed process; what is on disk is hashed again before a byte is added.
"""

import hashlib
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec

from lmctl.adapters.files import write_atomically

_CHUNK: Final = 1024 * 1024


class Note(msgspec.Struct, frozen=True):
    """Which bytes these are: `origin` is a digest of the address (never the address: it may carry
    a secret), `validator` the server's strong ETag or its Last-Modified date.
    """

    origin: str
    validator: str | None = None


class PartialFile:
    """An open partial. Only the holder of the partial's lock may have one; methods block."""

    def __init__(self, path: Path) -> None:
        """Open what is there, or an empty file, and hash it."""
        self.path = path
        self._notes = path.with_suffix(".json")
        # Unbuffered: bytes a full disk refused must not wait in a buffer and be tried again.
        self._file: FileIO = path.open("a+b", buffering=0)
        self._hash = hashlib.sha256()
        self.offset = 0
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            self._hash.update(chunk)
            self.offset += len(chunk)
        self.note = self._read_note()

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end. What a full disk cut short is taken back off."""
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(self.offset)
            raise
        self._hash.update(chunk)
        self.offset += len(chunk)

    def annotate(self, note: Note) -> None:
        """Remember where the bytes come from."""
        if note != self.note:
            write_atomically(self._notes, msgspec.json.encode(note))
            self.note = note

    def restart(self) -> None:
        """Throw the bytes away and begin at nothing."""
        self._notes.unlink(missing_ok=True)
        self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.offset = 0
        self.note = None

    def sha256(self) -> str:
        """Return the sha256 of the bytes so far."""
        return self._hash.hexdigest()

    def git_sha1(self) -> str:
        """Return git's blob id of the bytes so far (reads the file again; meant for small ones)."""
        found = hashlib.sha1(b"blob %d\0" % self.offset, usedforsecurity=False)
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            found.update(chunk)
        return found.hexdigest()

    def close(self) -> None:
        """Close the file; the bytes stay for the next try, if there are any."""
        self._file.close()
        if self.offset == 0:
            self.path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the note: the bytes have been taken over as something else."""
        self._notes.unlink(missing_ok=True)

    def _read_note(self) -> Note | None:
        try:
            return msgspec.json.decode(self._notes.read_bytes(), type=Note)
        except (FileNotFoundError, msgspec.DecodeError):
            return (
                None  # bytes of unknown origin: the download decides whether a hash can judge them
            )
