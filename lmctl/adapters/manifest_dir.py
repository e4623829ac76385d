"""The folders manifests lie in, read at one instant.

What a scan cannot read is told as a problem at its path, because a manifest that silently went
missing would look like a deletion.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.base.errors import NotFound, Refused
from lmctl.manifests.decoding import most_bytes, too_large
from lmctl.manifests.reading import counts

MAX_FILES: Final = 10_000
MAX_DEPTH: Final = 64
_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class Scan:
    """The manifests below the roots at one instant, by path, and what could not be read.

    Paths start with the root as it was written; a relative root inside a dot-folder is shown
    absolute, so that nobody takes its manifests for hidden ones.
    """

    files: dict[str, bytes]
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class _Listing:
    """What a walk found: `seen` is the stat signature of every file and folder by path."""

    seen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)

    def wrong(self, path: str, message: str, hint: str) -> None:
        self.found.append(diagnostics.error(_place(path), message, hint))


def scan(roots: Sequence[Path]) -> Scan:
    """Read every manifest below the roots, all as of one instant.

    The folders are listed before and after reading; if anything moved in between, once more from
    the start. Raises NotFound for a root that does not exist and Refused for one that is no folder.
    """
    places = _distinct(roots)
    for _ in range(_TRIES):
        before = _list(places)
        reading = _read(before)
        if reading is not None and _list(places).seen == before.seen:
            return reading
    return Scan(
        {},
        (
            diagnostics.error(
                _place(places[0]),
                f"the folder kept changing during {_TRIES} readings",
                "write manifests elsewhere and move them here when they are complete",
            ),
        ),
    )


def _distinct(roots: Sequence[Path]) -> list[str]:
    """Return the roots that exist, without those that lie inside another one."""
    real: dict[Path, str] = {}
    for root in roots:
        if not root.exists():
            hint = "name the folder that holds your manifests, or create it"
            raise NotFound(f"the manifest folder {root} does not exist", hint=hint)
        if not root.is_dir():
            raise Refused(f"{root} is not a folder", hint="name the folder that holds it")
        hidden = any(each.startswith(".") and each != ".." for each in root.parts)
        shown = root.absolute() if hidden and not root.is_absolute() else root
        real.setdefault(root.resolve(), str(shown))
    return [shown for path, shown in real.items() if not any(each in real for each in path.parents)]


def _list(roots: Sequence[str]) -> _Listing:
    listing = _Listing()
    for root in roots:
        _walk(listing, root, root, ())
    return listing


def _walk(listing: _Listing, root: str, folder: str, above: tuple[tuple[int, int], ...]) -> None:
    """Add everything below a folder; `above` are the folders on the way down to it."""
    try:
        status = Path(folder).stat()
        entries = sorted(os.scandir(folder), key=lambda each: each.name)
    except OSError as error:
        listing.wrong(folder, f"cannot read the folder: {error.strerror}", "check its permissions")
        return
    identity = status.st_dev, status.st_ino
    if identity in above:
        listing.found.append(
            diagnostics.warning(
                _place(folder),
                "this symbolic link leads back to a folder it lies in; not followed",
                "remove the link",
            )
        )
        return
    if len(above) >= MAX_DEPTH:
        listing.wrong(folder, f"folders nested deeper than {MAX_DEPTH}", "flatten the folders")
        return
    listing.seen[folder] = (*identity, len(entries))
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if len(listing.files) >= MAX_FILES:
            listing.wrong(
                root, f"more than {MAX_FILES:,} manifests", "name a folder of manifests only"
            )
            return
        _entry(listing, root, entry, (*above, identity))


def _entry(
    listing: _Listing, root: str, entry: os.DirEntry[str], above: tuple[tuple[int, int], ...]
) -> None:
    path = entry.path
    try:
        status = entry.stat()
    except OSError as error:
        _unreachable(listing, path, entry, error)
        return
    if stat.S_ISDIR(status.st_mode):
        _walk(listing, root, path, above)
    elif not counts(entry.name):
        return
    elif not _sayable(path):
        listing.wrong(path, "the name of the file is not UTF-8", "rename the file")
    elif not stat.S_ISREG(status.st_mode):
        listing.wrong(
            path,
            f"this is a {_what(status.st_mode)}, expected a file",
            "remove it, or give it another name",
        )
    else:
        listing.seen[path] = _signature(status)
        listing.files.append(path)


def _unreachable(listing: _Listing, path: str, entry: os.DirEntry[str], error: OSError) -> None:
    """Report a name behind which nothing is, unless the walk just came too early or too late."""
    if not entry.is_symlink():
        listing.seen[path] = ()  # gone since the listing: the second listing will differ
        return
    message = f"this symbolic link leads nowhere: {error.strerror}"
    report = diagnostics.error if counts(entry.name) else diagnostics.warning
    listing.found.append(report(_place(path), message, "remove the link or bring back its target"))


def _read(listing: _Listing) -> Scan | None:
    """Return what the listed files hold, or None if one of them is no longer what was listed."""
    files: dict[str, bytes] = {}
    found = list(listing.found)
    for path in listing.files:
        try:
            # Not blocking: what was a file may be a pipe by now.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            hint = "check its permissions"
            found.append(diagnostics.error(_place(path), f"cannot read: {error.strerror}", hint))
            continue
        with os.fdopen(descriptor, "rb") as source:
            status = os.fstat(descriptor)
            if _signature(status) != listing.seen[path]:
                return None
            if status.st_size > most_bytes(path):
                found.append(too_large(path, status.st_size))
                continue
            files[path] = source.read(most_bytes(path) + 1)
    return Scan(files, tuple(sorted(found, key=lambda each: each.place)))


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _what(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def _sayable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(path: str) -> Place:
    return Place(path.encode("utf-8", "backslashreplace").decode())
