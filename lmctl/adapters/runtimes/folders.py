"""Where builds of engines lie, and what starts one.

environments/CONTENT/     a Python environment; CONTENT says what is in it
environments/.NAME        one that is being made, or removed: nothing is started from it

An environment is made aside and then renamed, so that one with its name is whole.
"""

import platform
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.base.digests import digest
from lmctl.base.spec import LLAMA_LIBRARY, LLAMA_PACKAGE
from lmctl.manifests.runtime import PREBUILT
from lmctl.planning.wanted_runtimes import Build

_NOTE = "installed.json"


@dataclass(frozen=True, slots=True)
class Launch:
    """What starts processes of a build: its Python, empty for our own, and variables for them, with the
    references to secrets they name.
    """

    python: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)


class Installed(msgspec.Struct, frozen=True):
    """What is in an environment; `size` in bytes."""

    package: str
    version: str
    flags: tuple[str, ...] = ()
    size: int = 0

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


class Environments:
    """The environments of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "environments"

    def folder_of(self, build: Build) -> Path:
        """Return where the environment of a build is, or should be.

        It is for one Python and stands on the packages of one lmctl, so these belong to its name.
        """
        content = (
            *(build.package, build.version, build.flags),
            *(sys.implementation.cache_tag, platform.machine(), sys.prefix),
        )
        return self._folder / digest(content)[:16]

    def installed(self, build: Build) -> Installed | None:
        """Return what is in the environment of a build; None where there is none."""
        return _note_of(self.folder_of(build))

    def all(self) -> Iterator[tuple[Path, Installed]]:
        """Yield every environment there is."""
        for path in sorted(self._folder.glob("[!.]*")):
            if (found := _note_of(path)) is not None:
                yield path, found

    def launch_of(self, build: Build | None, *, at: Path | None = None) -> Launch:
        """Return what starts a build, by default from where it is installed; None is the bundled one.

        Raises FileNotFoundError where the package brought no engine.
        """
        if build is None:
            return Launch()
        folder = at or self.folder_of(build)
        environment = {**build.environment, LLAMA_PACKAGE: str(build)}
        if build.package == PREBUILT:
            environment[LLAMA_LIBRARY] = str(_brought(folder, f"{PREBUILT}/{PREBUILT}*.so"))
        else:
            _brought(folder, "llama_cpp/__init__.py")
        secrets = {name: dict(each) for name, each in build.secrets.items()}
        return Launch(str(folder / "bin" / "python"), environment, secrets)

    @contextmanager
    def aside(self, build: Build) -> Iterator[Path]:
        """Give a new folder to make the environment of a build in; it is gone at the end, unless
        `settle` put it in its place. What others left behind goes first.
        """
        self.clear()
        path = self._folder / f".{self.folder_of(build).name}.{secrets.token_hex(3)}"
        path.mkdir(parents=True, mode=0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def settle(self, path: Path, build: Build) -> Path:
        """Put a finished environment in its place, for good; return that."""
        files = (each for each in path.rglob("*") if each.is_file() and not each.is_symlink())
        size = sum(each.stat().st_size for each in files)
        note = Installed(build.package, build.version, build.flags, size)
        write_atomically(path / _NOTE, msgspec.json.encode(note))
        place = self.folder_of(build)
        self.remove(place)
        path.rename(place)
        return place

    def remove(self, path: Path) -> None:
        """Remove an environment; killed half-way, what is left of it is none."""
        if path.exists():
            doomed = path.with_name(f".{path.name}.{secrets.token_hex(3)}")
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    def named(self, name: str) -> Path:
        """Return where the environment of that name lies."""
        return self._folder / name

    def clear(self) -> None:
        """Remove what somebody who was killed left half-made or half-removed."""
        for each in self._folder.glob(".*"):
            shutil.rmtree(each, ignore_errors=True)


def _note_of(path: Path) -> Installed | None:
    content = read_if_there(path / _NOTE)
    return msgspec.json.decode(content, type=Installed) if content is not None else None


def _brought(folder: Path, pattern: str) -> Path:
    """Return a file that the package of an environment brought."""
    found = next(iter(sorted(folder.glob(f"lib/python*/site-packages/{pattern}"))), None)
    if found is None:
        raise FileNotFoundError(f"no {pattern} came with it")
    return found
