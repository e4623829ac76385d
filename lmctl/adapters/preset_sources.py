"""Preset files somebody has: one, a folder or an archive of them, here or at a web address."""

import gzip
import io
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from lmctl.adapters.outbound import leave_for
from lmctl.base.addresses import bare_url
from lmctl.base.errors import NotFound, Refused, Unreachable
from lmctl.base.quantities import format_size

MOST_FETCHED: Final = 8 * 1024 * 1024
"""Bytes of one file or archive, as it comes."""
MOST_UNPACKED: Final = 32 * 1024 * 1024
"""Bytes of all that is in an archive."""
_REDIRECTS: Final = 5
_TIMEOUT: Final = 30.0  # seconds of silence
_ENDINGS: Final = (".preset.json", ".preset.yaml", ".preset.yml")
_NAMED: Final = ("preset.json", "preset.yaml", "preset.yml")  # in a folder that has its name


@dataclass(frozen=True, slots=True)
class PresetFile:
    """A file as it was found; `name` is what it calls itself, without endings."""

    name: str
    content: bytes


def preset_files(source: str) -> tuple[PresetFile, ...]:
    """Return the presets of a path or an http(s) address, in the order of their names.

    Raises NotFound, Refused for what is no preset or too large, and Unreachable.
    """
    if source.startswith(("http://", "https://")):
        name, content = posixpath.basename(httpx2.URL(source).path), _fetched(source)
    elif "://" in source:
        raise Refused(
            f"`{source}` is no http(s) address", hint="give a file, a folder or an address"
        )
    else:
        path = Path(source).expanduser()
        if path.is_dir():
            inside = sorted(filter(_is_preset, map(str, path.iterdir())))
            return _found(((each, _read(Path(each))) for each in inside), source)
        name, content = path.name, _read(path)
    if content.startswith(b"\x1f\x8b"):
        return _found(_of_tar(_unzipped(content, source), source), source)
    if content[257:262] == b"ustar":
        return _found(_of_tar(content, source), source)
    if content.startswith(b"PK\x03\x04"):
        return _found(_of_zip(content, source), source)
    if content.lstrip()[:1] == b"<":
        raise Refused(
            f"{bare_url(source)} is a web page", hint="give the address of the file itself"
        )
    return (PresetFile(_stem(name), content),)


def _stem(path: str) -> str:
    name = posixpath.basename(path)
    if name in _NAMED:
        return posixpath.basename(posixpath.dirname(path)) or "preset"
    for ending in (*_ENDINGS, ".json", ".yaml", ".yml"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name or "preset"


def _is_preset(path: str) -> bool:
    return path.endswith(_ENDINGS) or posixpath.basename(path) in _NAMED


def _found(files: Iterator[tuple[str, bytes]], source: str) -> tuple[PresetFile, ...]:
    """Return those of several files that are presets by their names."""
    presets = tuple(PresetFile(_stem(path), content) for path, content in files if _is_preset(path))
    if not presets:
        endings = ", ".join(f"*{each}" for each in _ENDINGS)
        raise Refused(f"no preset is in {bare_url(source)}", hint=f"they are called {endings}")
    return presets


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_FETCHED + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no {path}", hint="give a file, a folder or an address") from None
    except OSError as error:
        raise Refused(f"cannot read {path}: {(error.strerror or '').lower()}") from error
    return _bounded(content, str(path), MOST_FETCHED)


def _bounded(content: bytes, source: str, most: int) -> bytes:
    if len(content) > most:
        raise Refused(f"{bare_url(source)} is larger than {format_size(most)}")
    return content


def _unzipped(content: bytes, source: str) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return _bounded(file.read(MOST_UNPACKED + 1), source, MOST_UNPACKED)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(f"{bare_url(source)} is a damaged archive: {error}") from error


def _of_tar(content: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an archive, none of which is written anywhere; links are passed over."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in sorted(archive.getmembers(), key=lambda each: each.name):
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    yield member.name, file.read()
    except tarfile.TarError as error:
        raise Refused(f"{bare_url(source)} is a damaged archive: {error}") from error


def _of_zip(content: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = sorted(archive.infolist(), key=lambda each: each.filename)
            if sum(each.file_size for each in members) > MOST_UNPACKED:
                raise Refused(f"{bare_url(source)} is larger than {format_size(MOST_UNPACKED)}")
            for member in members:
                with archive.open(member) as file:  # never more than what was announced
                    yield member.filename, file.read(member.file_size)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise Refused(f"{bare_url(source)} is a damaged archive: {error}") from error


def _fetched(source: str) -> bytes:
    """Return what an address answers with, through redirects that leave neither the web nor https."""
    try:
        with httpx2.Client(timeout=_TIMEOUT) as client:
            request = client.build_request("GET", source)
            for _ in range(_REDIRECTS + 1):
                leave_for(str(request.url))
                response = client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        return _body(response, source)
                    request = _next(request, response.next_request)
                finally:
                    response.close()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(f"{bare_url(source)} does not answer: {why}") from error
    raise Refused(f"{bare_url(source)} redirects more than {_REDIRECTS} times")


def _next(before: httpx2.Request, request: httpx2.Request) -> httpx2.Request:
    here, there = before.url.scheme, request.url.scheme
    if there != "https" and (here, there) != ("http", "http"):
        raise Refused(f"{bare_url(str(before.url))} leads away from {here}, to {there}")
    return request


def _body(response: httpx2.Response, source: str) -> bytes:
    if response.status_code == httpx2.codes.NOT_FOUND:
        raise NotFound(f"there is nothing at {bare_url(source)}")
    if response.status_code != httpx2.codes.OK:
        raise Unreachable(f"{bare_url(source)} answers {response.status_code}")
    content = b""
    for piece in response.iter_bytes():
        content = _bounded(content + piece, source, MOST_FETCHED)
    return content
