"""One object taken out of a file that may hold several: its document goes, all else stays as it is."""

from typing import Final

from lmctl.base.digests import canonical
from lmctl.base.errors import Refused
from lmctl.manifests.decoding import UTF8_MARK
from lmctl.manifests.reading import Declared
from lmctl.manifests.yaml_source import parse

_MARK: Final = "---"


def without(declared: Declared, content: bytes) -> bytes:
    """Return the content of an object's file without its document; nothing when none would be left.

    Raises Refused where the document cannot be told from the others.
    """
    place = declared.document.place(())
    text = content.removeprefix(UTF8_MARK).decode()
    before = parse(place.file, text.encode()).documents
    kept = [each.value for each in before if each.place(()).line != place.line]
    if not kept:
        return b""
    left = _cut(text.splitlines(keepends=True), place.line - 1)
    after = parse(place.file, left.encode())
    if after.diagnostics or canonical([each.value for each in after.documents]) != canonical(kept):
        raise Refused(
            f"`{declared.name}` cannot be taken out of {place.file} without changing what else it says",
            hint="take it out by hand",
        )
    return left.encode()


def _cut(lines: list[str], at: int) -> str:
    """Return the lines without the document that holds one of them, and without one of its marks."""
    marks = [number for number, line in enumerate(lines) if line.split(maxsplit=1)[:1] == [_MARK]]
    begin = max((each for each in marks if each <= at), default=0)
    end = next((each for each in marks if each > at), len(lines))
    if begin == 0 and lines[begin].split(maxsplit=1)[:1] != [_MARK]:
        end = min(end + 1, len(lines))
    return "".join([*lines[:begin], *lines[end:]])
