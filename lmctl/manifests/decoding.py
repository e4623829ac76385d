"""Bytes of a file -> text, or the one problem that keeps us from reading it.

A manifest is UTF-8. What arrives otherwise (UTF-16 from an editor, Latin-1 from an old tool, a
weights file with the wrong name) is told by name and place instead of being guessed at.
"""

import re
from typing import Final

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.base.quantities import format_size

MAX_BYTES: Final = 1 << 20
MAX_LOCK_BYTES: Final = 32 << 20  # some 40,000 models: a program writes it, and people change lines

_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
UTF8_MARK: Final = b"\xef\xbb\xbf"
# The characters YAML 1.2 does not call printable (chapter 5.1).
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(file: str, content: bytes) -> str | Diagnostic:
    """Return the text of a manifest, or what is wrong with its bytes and where."""
    if len(content) > most_bytes(file):
        return too_large(file, len(content))
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _encoded(file, name)
    content = content.removeprefix(UTF8_MARK)
    if b"\0" in content:
        return _nul(file, content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(file, content, error.start)
    if found := _UNPRINTABLE.search(text):
        return diagnostics.error(
            place_at(file, text, found.start()),
            f"control character U+{ord(found.group()):04X} in the text",
            'remove it, or write it as an escape in a double-quoted text, such as "\\x07"',
        )
    return text


def most_bytes(file: str) -> int:
    """Return how large a file may be that is read here, by its name."""
    return MAX_LOCK_BYTES if file.endswith(".lock") else MAX_BYTES


def too_large(file: str, size: int) -> Diagnostic:
    """Return the problem of a file that is not read because of its size in bytes."""
    what = "lock" if file.endswith(".lock") else "manifest"
    return diagnostics.error(
        Place(file),
        f"the file is too large for a {what}: {format_size(size)}",
        f"a {what} may be up to {format_size(most_bytes(file))}; keep weights and data in other files",
    )


def place_at(file: str, text: str, index: int) -> Place:
    """Return the place of the character at `index` of a text."""
    before = text[:index]
    line = before.count("\n") + 1
    return Place(file, line, index - (before.rfind("\n") + 1) + 1)


def _encoded(file: str, name: str) -> Diagnostic:
    return diagnostics.error(
        Place(file),
        f"the file is {name} text, expected UTF-8",
        f"save it as UTF-8, for example: iconv -f {name} -t UTF-8",
    )


def _nul(file: str, content: bytes) -> Diagnostic:
    sides = content[0::2].count(0), content[1::2].count(0)
    # ASCII written as UTF-16 has a NUL in every second byte, always on the same side.
    if min(sides) == 0 and max(sides) * 2 >= len(content) - 1:
        return _encoded(file, "UTF-16")
    place = _byte_place(file, content, content.index(0))
    return diagnostics.error(
        place,
        "the file is binary: it has a NUL byte here",
        "a manifest is UTF-8 text; give other files a name that does not end like a manifest's",
    )


def _not_utf8(file: str, content: bytes, start: int) -> Diagnostic:
    return diagnostics.error(
        _byte_place(file, content, start),
        f"byte 0x{content[start]:02x} is not UTF-8",
        "save the file as UTF-8; if it is Latin-1: iconv -f LATIN1 -t UTF-8",
    )


def _byte_place(file: str, content: bytes, offset: int) -> Place:
    """Return the place of a byte; everything before it on its line is valid UTF-8."""
    start = content.rfind(b"\n", 0, offset) + 1
    column = len(content[start:offset].decode("utf-8", "replace")) + 1
    return Place(file, content.count(b"\n", 0, offset) + 1, column)
